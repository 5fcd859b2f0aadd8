"""What a line allows: policies as data, one decision before a unit starts, one after (docs/how-to/policies.md).

::

    policies = Policies.load(path)                        # file.py
    history = History(depot, policies)                    # history.py
    scan = read(typed, policies.scan.shapes())            # scan.py: Unit, WorkOrder or Badge
    person = policies.list_of_people().whose(scan)        # people.py
    question = Question(unit, place, now, person, ...)    # facts.py
    decision = before(policies, question, history.facts(question))    # decide.py
    note_overrides(depot, decision.overrides)             # record.py: before the unit starts
    ...                                                   # a run of decision.profile, told decision.job
    decision = after(policies, question, history.facts(question))
"""
