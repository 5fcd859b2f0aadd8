"""Triggers that let the tables grow only. They stop mistakes and tools, not an administrator: that takes ``verify``.

``INSERT OR REPLACE`` deletes without asking delete triggers where a connection has not set ``recursive_triggers``; so a
trigger before each insert refuses a key that is there.
"""

from __future__ import annotations

from sqlalchemy import Connection

from bench.store.tables import EVENT, LEDGER, PARTS, RUN, SEARCHED, STORE

_GUARDED = (STORE, LEDGER, *SEARCHED)
_SAYS = "'records can only be added'"
_TAKEN = {STORE.name: "EXISTS (SELECT 1 FROM store)",
          RUN.name: "EXISTS (SELECT 1 FROM run WHERE sequence = NEW.sequence OR run_id = NEW.run_id)",
          EVENT.name: "EXISTS (SELECT 1 FROM event WHERE sequence = NEW.sequence OR event_id = NEW.event_id)",
          **{part.name: f"EXISTS (SELECT 1 FROM {part.name} WHERE sequence = NEW.sequence AND number = NEW.number)"
             for part in PARTS}}
_NOT_NEXT = ("NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM ledger) OR NEW.prev_hash <> "
             "coalesce((SELECT hash FROM ledger ORDER BY sequence DESC LIMIT 1), '')")


def _sqlite() -> dict[str, str]:
    guards = {}
    for table in _GUARDED:
        for what in ("update", "delete"):
            guards[f"{table.name}_{what}"] = f"BEFORE {what.upper()} ON {table.name}"
        guards[f"{table.name}_insert"] = f"BEFORE INSERT ON {table.name} WHEN {_TAKEN.get(table.name, _NOT_NEXT)}"
    return {name: f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, {_SAYS}); END"
            for name, when in guards.items()}


_REFUSE = (f"CREATE OR REPLACE FUNCTION records_refuse() RETURNS trigger LANGUAGE plpgsql AS "
           f"$$ BEGIN RAISE EXCEPTION {_SAYS}; END $$")
_CHAIN = (f"CREATE OR REPLACE FUNCTION records_chain() RETURNS trigger LANGUAGE plpgsql AS "
          f"$$ BEGIN IF {_NOT_NEXT} THEN RAISE EXCEPTION {_SAYS}; END IF; RETURN NEW; END $$")


def _postgresql() -> dict[str, str]:
    guards = {}
    for table in _GUARDED:
        guards[f"{table.name}_change"] = (f"BEFORE UPDATE OR DELETE ON {table.name} FOR EACH ROW "
                                          "EXECUTE FUNCTION records_refuse()")
        guards[f"{table.name}_truncate"] = (f"BEFORE TRUNCATE ON {table.name} FOR EACH STATEMENT "
                                            "EXECUTE FUNCTION records_refuse()")
    guards["ledger_insert"] = "BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION records_chain()"
    return {name: f"CREATE TRIGGER {name} {when}" for name, when in guards.items()}


def put_up(connection: Connection) -> None:
    """Put up all guards, anew."""
    take_down(connection)
    if connection.dialect.name == "sqlite":
        statements = list(_sqlite().values())
    else:
        statements = [_REFUSE, _CHAIN, *_postgresql().values()]
    for statement in statements:
        connection.exec_driver_sql(statement)


def take_down(connection: Connection) -> None:
    """For a migration only."""
    for name in _there(connection):
        on = "" if connection.dialect.name == "sqlite" else f" ON {name.rpartition('_')[0]}"
        connection.exec_driver_sql(f"DROP TRIGGER {name}{on}")


def missing(connection: Connection) -> list[str]:
    """The guards that are not there, or not as they were put up."""
    there = _there(connection)
    if connection.dialect.name == "sqlite":
        return [name for name, statement in _sqlite().items() if there.get(name) != statement]
    bodies = connection.exec_driver_sql(
        "SELECT prosrc FROM pg_proc WHERE proname IN ('records_refuse', 'records_chain')").scalars().all()
    altered = [] if {body.strip() for body in bodies} == {
        text.split("$$")[1].strip() for text in (_REFUSE, _CHAIN)} else ["what they do"]
    return altered + [name for name in _postgresql() if there.get(name) != "O"]


def _there(connection: Connection) -> dict[str, str]:
    """The triggers by their names: their text in SQLite, whether they are enabled ("O") in PostgreSQL."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    if connection.dialect.name != "sqlite":
        query = ("SELECT tgname, tgenabled::text FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
                 "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace")
    return {str(name): str(text) for name, text in connection.exec_driver_sql(query)}
