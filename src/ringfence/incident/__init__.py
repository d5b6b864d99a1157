"""Incident: what do we do now?

The nouns
  brake      one a book: while it is pulled, no payout leaves the gateway
  indicator  a figure with green, amber and red, and the sentence that says where each begins
  watch      the step that compares indicators with what they were, and pulls the brake when one turned red

The invariants
  - One person, or an indicator, stops every payout at once; it takes two people to go on, and none of them is the one
    who proposed it.
  - Whether the brake is pulled is read from the journal's events in their order, by core and gateway alike. A release
    counts only with a proposal that verifies; an event that claims a release without one changes nothing.
  - Whoever pulls after a release was proposed is heard: that release no longer holds.
  - An indicator acts when it turns, once, and each turn is in the journal.

The ways in: `brake.pull`, `brake.propose_release`, `brake.release`, `brake.brake_state`; `indicators.evaluate`;
`watch.watch`.
"""
