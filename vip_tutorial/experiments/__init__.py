"""What takes hours, and its results, so that a chapter can show many seeds.

branches   what the branch weights say, on problems with known answers
ablations  which part of the module is missed
mixers     what the mixers beyond the paper are worth
faults     whether training tells that a module is wrong
brush      which brush writes like the data
results/   what was measured, with versions; `make measurements` repeats it all

Each can be run, so it is imported when asked for.
"""
