"""What takes hours, and its results, so that a chapter can show many seeds.

branches   what the branch weights say, on problems with known answers
ablations  which part of the module is missed
mixers     what the mixers beyond the paper are worth
faults     whether training tells that a module is wrong
brush      which brush writes like the data
strokes    how often training gets stuck, on seeds named beforehand
garments   the mixers on Fashion-MNIST
deployed   a network of real size outside of PyTorch
beside     what Vision Permutator costs beside what people would take instead
comparisons  every comparison on which a chapter rests, made from the results
results/   what was measured, with versions; `make measurements` repeats it all

Each can be run, so it is imported when asked for.
"""
