"""Performance analysis: from paired blocks to evidence, rankings and diagnoses. Pure numpy.

evidence     the sign race on its own (`EvidenceRace`)
record       the paired blocks of one epoch, what policies judge (`EpochRecord`)
contest      one objective or several: which accounts speak for which claim
leader_bets  the leader-betting accounts
pair_bets    the accounts of every pair, and the Pareto evidence made of them
accounts     betting on a block before it is seen
duels        who beats whom, and the order
window       medians and intervals over the last blocks
ranking      the ranking in words
reasons      why each candidate stands where it does
forecast     how far the decision is
diagnosis    how far to trust the machine
"""
