"""Our `sqlalchemy_adapter.Adapter`: reads the rules in force by column, and never writes.

The stock adapter (1.9) joins a row with commas and splits it again, so a value with a comma comes
back as several; its bulk removal deletes the cross product of columns; its bulk addition commits
rule by rule. `tests/faults/test_stock_casbin.py` shows each.
"""

from typing import Any, NoReturn

from casbin.model import Model
from sqlalchemy import Engine
from sqlalchemy_adapter import Adapter

_VALUES = ("v0", "v1", "v2", "v3", "v4", "v5")


class ReadOnlyAdapter(Adapter):  # type: ignore[misc]  # the package has no types
    """Loads the view `casbin_rule`. Rules are written by the unit of work alone."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, create_table=False)

    def load_policy(self, model: Model) -> None:
        """Load every rule in force, value by value."""
        with self._session_scope() as session:
            self._load(session.query(self._db_class).order_by(self._db_class.id), model)

    def load_filtered_policy(self, model: Model, filter: Any) -> None:  # noqa: A002 (stock name)
        """Load the rules in force that match a stock `Filter`."""
        with self._session_scope() as session:
            self._load(self.filter_query(session.query(self._db_class), filter), model)
            self._filtered = True

    def _load(self, rows: Any, model: Model) -> None:
        for row in rows:
            assertion = model.model.get(row.ptype[0], {}).get(row.ptype)
            if assertion is not None:
                values = (getattr(row, name) for name in _VALUES)
                assertion.policy.append([value for value in values if value is not None])

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(
            "rules are written by authz_service's unit of work, with their audit entry, "
            "never through a Casbin enforcer"
        )

    save_policy = add_policy = add_policies = _refuse
    remove_policy = remove_policies = remove_filtered_policy = _refuse
    update_policy = update_policies = update_filtered_policies = _refuse
