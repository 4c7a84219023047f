-- A store as schema version 1 made it: a race that ended, one that was killed, and a study.
BEGIN TRANSACTION;
CREATE TABLE event (
	run_key INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	at_s FLOAT NOT NULL, 
	kind TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (run_key, seq), 
	FOREIGN KEY(run_key) REFERENCES run ("key")
)
 WITHOUT ROWID
;
INSERT INTO "event" VALUES(1,0,0.0,'TaskEnded','{"task":0}');
INSERT INTO "event" VALUES(2,0,0.0,'TaskEnded','{"task":0}');
INSERT INTO "event" VALUES(3,0,0.0,'StudyPlanned','{"workers":[1,2],"sizes":[20],"mode":"strong","backends":["threads"],"repeats":1,"seed":0}');
INSERT INTO "event" VALUES(3,1,0.0,'StudyMeasured','{"backend":"threads","series_size":20,"repetition":0,"workers":1,"trial":{"repetition":0,"workers":1,"size":20,"outcome":"ok","time_s":0.003627018,"peak_memory_bytes":128393216,"digest":"5a98c07a4d8f72f0","difference":0.0,"message":"","shares":{"compute":0.011794813259818395,"transfer":0.0,"serial":0.9159780844760076,"imbalance":0.0,"scheduling":0.07222710226417406,"load_balance":1.0,"communication":0.011794813259818395}}}');
INSERT INTO "event" VALUES(3,2,0.0,'StudyMeasured','{"backend":"threads","series_size":20,"repetition":0,"workers":2,"trial":{"repetition":0,"workers":2,"size":20,"outcome":"ok","time_s":0.005212127,"peak_memory_bytes":128425984,"digest":"5a98c07a4d8f72f0","difference":0.0,"message":"","shares":{"compute":0.0024928402550436703,"transfer":0.0,"serial":0.9652335793045718,"imbalance":0.01738321034771409,"scheduling":0.01489037009267044,"load_balance":0.5,"communication":0.004985680510087341}}}');
CREATE TABLE machine (
	"key" INTEGER NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY ("key"), 
	UNIQUE (fingerprint, document)
);
INSERT INTO "machine" VALUES(1,'0ff1ce0ff1ce','{"cpu_model":"Abacus 3","fingerprint":"0ff1ce0ff1ce","logical_cores":2}');
INSERT INTO "machine" VALUES(2,'f3d1e58786ec','{"blas":"scipy-openblas 0.3.31.188.0","caches":[{"instances":2,"name":"L1d","size_bytes":32768},{"instances":2,"name":"L1i","size_bytes":32768},{"instances":2,"name":"L2","size_bytes":524288},{"instances":1,"name":"L3","size_bytes":33554432}],"cpu_model":"AMD EPYC","gpus":[],"kernel":"Linux 6.1.0 x86_64","libraries":{"msgspec":"0.22.0","numpy":"2.4.6","orjson":"3.13.0","pandas":"3.1.1","pyahocorasick":"2.3.1","scikit-learn":"1.9.1","scipy":"1.17.1"},"logical_cores":2,"memory_bytes":25276510208,"os":"Debian GNU/Linux 12 (bookworm)","physical_cores":2,"python":"CPython 3.11.7","smt":false}');
CREATE TABLE measurement (
	run_key INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	block BIGINT NOT NULL, 
	slot BIGINT NOT NULL, 
	epoch BIGINT NOT NULL, 
	copy BIGINT NOT NULL, 
	size BIGINT NOT NULL, 
	repeats BIGINT NOT NULL, 
	candidate TEXT NOT NULL, 
	worker TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	warm_up BOOLEAN NOT NULL, 
	checked BOOLEAN NOT NULL, 
	wall_time_s FLOAT, 
	cpu_time_s FLOAT, 
	peak_rss_growth_bytes FLOAT, 
	peak_rss_bytes FLOAT, 
	further_values TEXT, 
	message TEXT NOT NULL, 
	PRIMARY KEY (run_key, seq, position), 
	FOREIGN KEY(run_key, seq) REFERENCES event (run_key, seq)
)
 WITHOUT ROWID
;
INSERT INTO "measurement" VALUES(1,0,0,0,0,0,0,1000,3,'quick','w0','ok','',0,0,0.1,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,1,0,1,0,0,1000,3,'slow','w0','ok','',0,0,0.1,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,2,1,0,0,0,1000,3,'quick','w0','ok','',0,0,0.2,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,3,1,1,0,0,1000,3,'slow','w0','ok','',0,0,0.2,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,4,2,0,0,0,1000,3,'quick','w0','ok','',0,0,3.00000000000000044408e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,5,2,1,0,0,1000,3,'slow','w0','ok','',0,0,3.00000000000000044408e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,6,3,0,0,0,1000,3,'quick','w0','ok','',0,0,0.4,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,7,3,1,0,0,1000,3,'slow','w0','ok','',0,0,0.4,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,8,4,0,0,0,1000,3,'quick','w0','ok','',0,0,0.5,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,9,4,1,0,0,1000,3,'slow','w0','ok','',0,0,0.5,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,10,5,0,0,0,1000,3,'quick','w0','ok','',0,0,6.00000000000000088817e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,11,5,1,0,0,1000,3,'slow','w0','ok','',0,0,6.00000000000000088817e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,12,6,0,0,0,1000,3,'quick','w0','ok','',0,0,7.00000000000000066613e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(1,0,13,6,1,0,0,1000,3,'slow','w0','ok','',0,0,7.00000000000000066613e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,0,0,0,0,0,1000,3,'quick','w0','ok','',0,0,0.1,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,1,0,1,0,0,1000,3,'slow','w0','ok','',0,0,0.1,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,2,1,0,0,0,1000,3,'quick','w0','ok','',0,0,0.2,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,3,1,1,0,0,1000,3,'slow','w0','ok','',0,0,0.2,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,4,2,0,0,0,1000,3,'quick','w0','ok','',0,0,3.00000000000000044408e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,5,2,1,0,0,1000,3,'slow','w0','ok','',0,0,3.00000000000000044408e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,6,3,0,0,0,1000,3,'quick','w0','ok','',0,0,0.4,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,7,3,1,0,0,1000,3,'slow','w0','ok','',0,0,0.4,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,8,4,0,0,0,1000,3,'quick','w0','ok','',0,0,0.5,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,9,4,1,0,0,1000,3,'slow','w0','ok','',0,0,0.5,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,10,5,0,0,0,1000,3,'quick','w0','ok','',0,0,6.00000000000000088817e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,11,5,1,0,0,1000,3,'slow','w0','ok','',0,0,6.00000000000000088817e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,12,6,0,0,0,1000,3,'quick','w0','ok','',0,0,7.00000000000000066613e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
INSERT INTO "measurement" VALUES(2,0,13,6,1,0,0,1000,3,'slow','w0','ok','',0,0,7.00000000000000066613e-01,NULL,NULL,NULL,'{"abs_error":1e-09}','');
CREATE TABLE parbench_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "parbench_schema" VALUES(1);
CREATE TABLE run (
	"key" INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	started_utc TEXT NOT NULL, 
	document TEXT NOT NULL, 
	machine_key INTEGER, 
	status TEXT NOT NULL, 
	result TEXT, 
	PRIMARY KEY ("key"), 
	UNIQUE (id), 
	FOREIGN KEY(machine_key) REFERENCES machine ("key")
);
INSERT INTO "run" VALUES(1,'old-late','race','sorting','2026-01-01T10:00:00+02:00','{"candidates":[{"name":"quick","import_string":"a:b"},{"name":"slow"}],"configuration":{"git":{"commit":"c0ffee","dirty":true}},"seed":1}',1,'decided','{"winner":"quick","sentence":"quick won"}');
INSERT INTO "run" VALUES(2,'old-early','race','sorting','2026-01-01T09:30:00+00:00','{"candidates":[{"name":"quick","import_string":"a:b"},{"name":"slow"}],"configuration":{"git":{"commit":"c0ffee","dirty":true}},"seed":1}',1,'running',NULL);
INSERT INTO "run" VALUES(3,'old-study','study','squares','2026-01-02T00:00:00+00:00','{"plan":{"workers":[1,2],"sizes":[20],"mode":"strong","backends":["threads"],"repeats":1,"seed":0},"unit":"items","tolerance":0.0,"options":{},"cores":2,"seed":0,"fingerprint":"f3d1e58786ec","version":"0.1.0"}',2,'finished','{"runs":2,"planned":2}');
COMMIT;
