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
    load_plugin(file, registries)
    assert registries["strategy"].names() == ["twice"]
    assert registries["strategy"].origin("twice") == str(file)
    assert registries["strategy"].settings("twice")().factor == 2.0
    assert registries["strategy"].source_files("twice") == [file]
    load_plugin(file, registries)
    assert registries["strategy"].names() == ["twice"], "loading it again changes nothing"


def test_a_plugin_that_cannot_be_imported_is_an_error_with_the_reason_and_can_be_mended(tmp_path: Path) -> None:
    file = tmp_path / "broken_plugin.py"
    file.write_text("import a_module_that_is_not_there\n")
    registries = fresh()
    with pytest.raises(InputError, match=r"broken_plugin\.py cannot be imported: .*'a_module_that_is_not_there'"):
        load_plugin(file, registries)
    assert registries["strategy"].names() == []
    file.write_text("x = 1 +\n")
    with pytest.raises(InputError, match=r"SyntaxError: invalid syntax \(broken_plugin\.py, line 1\)\.$"):
        load_plugin(file, registries)
    file.write_text(PLUGIN)
    load_plugin(file, registries)
    assert registries["strategy"].names() == ["twice"]


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
