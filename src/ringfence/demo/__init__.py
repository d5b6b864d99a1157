"""Demo: one command, one custody day, on a machine with nothing but Python.

The nouns
  scenario   who is there and what happens, a pure function of a seed
  platform   the program and the people that place and decide orders, over HTTP
  children   core, gateway and notary, each a process of its own
  play       the day itself, which may be broken off anywhere and played again

Banks are simulated (`banking.simulated_bank`); everything else is what a real installation runs.
"""
