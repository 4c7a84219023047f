"""Small files as other tools write them, after their documentation. Names and figures are ours."""

from __future__ import annotations

import math

FILES = {
    "pytest-benchmark": {
        "machine_info": {
            "node": "my-host",
            "processor": "x86_64",
            "machine": "x86_64",
            "python_implementation": "CPython",
            "python_version": "3.12.1",
            "release": "6.1.0",
            "system": "Linux",
            "cpu": {"brand_raw": "Abacus 3", "count": 4, "arch": "X86_64", "hz_actual": [1, 0]},
        },
        "commit_info": {"id": "c0ffee1234", "dirty": True, "branch": "main", "project": "x"},
        "benchmarks": [
            {
                "group": None,
                "name": "test_sort[1000]",
                "fullname": "tests/test_sort.py::test_sort[1000]",
                "params": {"n": 1000},
                "param": "1000",
                "extra_info": {},
                "options": {"timer": "perf_counter", "warmup": False},
                "stats": {
                    "min": 0.001, "max": 0.003, "mean": 0.002, "median": 0.002, "stddev": 1e-4,
                    "rounds": 3, "iterations": 10, "data": [0.001, 0.002, 0.003],
                },
            },
            {
                "group": "io",
                "name": "test_read",
                "fullname": "tests/test_io.py::test_read",
                "params": None,
                "stats": {"mean": 0.5, "median": 0.4, "rounds": 5, "iterations": 1},
            },
        ],
        "datetime": "2026-01-02T03:04:05.678901+00:00",
        "version": "5.1.0",
    },
    "hyperfine": {
        "results": [
            {
                "command": "sleep 0.1",
                "mean": 0.11, "stddev": 0.01, "median": 0.11, "user": 0.0, "system": 0.0,
                "min": 0.1, "max": 0.12,
                "times": [0.1, 0.11, 0.12],
                "memory_usage_byte": [1000000, 2000000, 1500000],
                "exit_codes": [0, 1, 0],
                "parameters": {"delay": "0.1"},
            },
            {"command": "sleep 0.2", "mean": 0.2, "median": 0.21, "parameters": {}},
        ]
    },
    "google-benchmark": {
        "context": {
            "date": "2026-01-02T03:04:05+01:00",
            "host_name": "my-host",
            "executable": "/home/me/build/bench_sort",
            "num_cpus": 8,
            "mhz_per_cpu": 3000,
            "cpu_scaling_enabled": False,
            "caches": [{"type": "Data", "level": 1, "size": 32768, "num_sharing": 2}],
            "load_avg": [0.5, 0.4, 0.3],
            "library_build_type": "release",
        },
        "benchmarks": [
            *(
                {
                    "name": "BM_Sort/1024", "run_name": "BM_Sort/1024", "run_type": "iteration",
                    "repetitions": 2, "repetition_index": i, "threads": 1, "iterations": 500,
                    "real_time": 20.0 + i, "cpu_time": 19.5, "time_unit": "us",
                }
                for i in range(2)
            ),
            {
                "name": "BM_Sort/1024_mean", "run_name": "BM_Sort/1024", "run_type": "aggregate",
                "aggregate_name": "mean", "iterations": 2, "real_time": 20.5, "cpu_time": 19.5,
                "time_unit": "us",
            },
            {
                "name": "BM_Only_median", "run_name": "BM_Only", "run_type": "aggregate",
                "aggregate_name": "median", "iterations": 3, "real_time": 2.0, "cpu_time": 2.0,
                "time_unit": "ms",
            },
            {
                "name": "BM_Broken", "run_name": "BM_Broken", "run_type": "iteration",
                "error_occurred": True, "error_message": "no input",
            },
        ],
    },
    "pyperf": {
        "version": "1.0",
        "metadata": {
            "name": "telco", "unit": "second", "hostname": "my-host",
            "cpu_model_name": "Abacus 3", "cpu_count": 4, "python_version": "3.12.1",
            "python_implementation": "cpython", "platform": "Linux-6.1-x86_64",
        },
        "benchmarks": [
            {
                "runs": [
                    {"metadata": {"calibrate_loops": 8}, "warmups": [[1, 0.02], [8, 0.011]]},
                    {
                        "metadata": {
                            "date": "2026-01-02 03:04:05.123456", "loops": 8, "load_avg_1min": 0.5,
                            "mem_max_rss": 20000000,
                        },
                        "warmups": [[8, 0.012]],
                        "values": [0.010, 0.011],
                    },
                ]
            },
            {"metadata": {"name": "hash_size", "unit": "byte"}, "runs": [{"values": [1024]}]},
        ],
    },
    "asv": {
        "commit_hash": "c0ffee1234",
        "env_name": "virtualenv-py3.12",
        "date": 1767323045000,
        "params": {
            "arch": "x86_64", "cpu": "Abacus 3", "machine": "my-host", "num_cpu": "4",
            "os": "Linux 6.1", "ram": "16337684", "python": "3.12",
        },
        "python": "3.12",
        "requirements": {},
        "env_vars": {},
        "result_columns": [
            "result", "params", "version", "started_at", "duration", "stats_ci_99_a",
            "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples",
            "profile",
        ],
        "results": {
            "sorting.Suite.time_sort": [
                [0.1, None, 0.3, math.nan], [["10", "20"], ["'a'", "'b'"]], "v1", 1767323045000,
                1.5, [0.1], [0.1], [0.1], [0.1], [250, None, 1, None], [2],
                [[0.09, 0.11], None, None, None],
            ],
            "sorting.Suite.peakmem_sort": [[50000000], [], "v1"],
            "track_size": [[7], [], "v1"],
            "broken.time_nothing": [None, [], "v1"],
        },
        "durations": {},
        "version": 2,
    },
}  # fmt: skip
