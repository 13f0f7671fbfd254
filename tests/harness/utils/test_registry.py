from pathlib import Path

import pytest

from rearec_bench.harness.utils.errors import InputError
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES, Entry, Registry, load_plugin
from rearec_bench.models.settings import BackboneSettings, StrategySettings

PLUGIN = """
from rearec_bench.models.settings import StrategySettings, param
from rearec_bench.models.strategies.base import Base


class TwiceSettings(StrategySettings):
    \"\"\"Doubles the loss.\"\"\"

    factor: float = param(2.0, "what the loss is multiplied by", gt=0)


class Twice(Base):
    Settings = TwiceSettings


STRATEGIES = {"twice": Twice}
"""


def fresh() -> dict[str, Registry]:
    return {kind: Registry(kind, f"rearec_bench.test_{kind}", ()) for kind in ("backbone", "strategy")}


def test_an_unknown_name_is_an_error_with_the_nearest_known_one() -> None:
    with pytest.raises(
        InputError, match=r"^unknown strategy 'prll'\. Did you mean 'prl'\? Known: base, erl, lares, mancar, naive"
    ):
        STRATEGIES.entry("prll")


def test_a_name_taken_by_another_component_is_an_error() -> None:
    registry = fresh()["backbone"]
    registry.add(Entry("mine", "one:One", origin="one.py"))
    registry.add(Entry("mine", "one:One", origin="one.py"))
    with pytest.raises(InputError, match=r"'mine' is registered twice: by one\.py \(one:One\) and by two\.py"):
        registry.add(Entry("mine", "two:Two", origin="two.py"))


def test_a_plugin_registers_its_components_with_their_origin(tmp_path: Path) -> None:
    file = tmp_path / "twice_plugin.py"
    file.write_text(PLUGIN)
    registries = fresh()
    assert load_plugin(file, registries) is not None
    assert registries["strategy"].names() == ["twice"]
    assert registries["strategy"].origin("twice") == str(file)
    assert registries["strategy"].settings("twice")().factor == 2.0
    assert registries["strategy"].source_files("twice") == [file]
    assert load_plugin(file, registries) is not None, "loading it again changes nothing"


def test_a_broken_plugin_stays_listed_with_its_traceback(tmp_path: Path) -> None:
    file = tmp_path / "broken_plugin.py"
    file.write_text("import a_module_that_is_not_there\n")
    registries = fresh()
    assert load_plugin(file, registries) is None
    assert registries["strategy"].names() == ["broken_plugin"]
    with pytest.raises(InputError, match="No module named 'a_module_that_is_not_there'"):
        registries["strategy"].component("broken_plugin")


CONTRACTS = ((BACKBONES, BackboneSettings), (STRATEGIES, StrategySettings))


@pytest.mark.parametrize(
    ("registry", "kind", "name"), [(registry, kind, name) for registry, kind in CONTRACTS for name in registry.names()]
)
def test_every_component_keeps_the_contract_of_its_settings(registry: Registry, kind: type, name: str) -> None:
    settings = registry.settings(name)
    assert issubclass(settings, kind) and registry.component(name).Settings is settings
    assert settings.__doc__ and isinstance(settings.version, int)
    for setting, field in settings.model_fields.items():
        assert field.description, f"{setting} has no help text"
    settings.model_validate(settings().model_dump(mode="json"))
