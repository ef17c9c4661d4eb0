"""A bundle is opened only when folder, card and network agree; each refusal names its reason."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from buffycoat.bundle import default
from buffycoat.bundle.default import default_bundle
from buffycoat.bundle.read import OUTPUTS, open_bundle
from buffycoat.bundle.wire import MalformedError, read_facts
from buffycoat.errors import DataError
from buffycoat.records.card import SCHEMA_VERSION, BundleCard
from tests.bundles import CLASSES, leaking_card, tiny_bundle, tiny_colour, tiny_model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


def edit_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def put_model(folder: Path, model: onnx.ModelProto) -> None:
    """Swap the network and make the card say it is the right one."""
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit_card(folder, lambda card: card.update(model_bytes=len(content), model_sha256=digest))


def loaded(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "model.onnx")


def test_a_sound_bundle_opens_and_answers(bundle: Path) -> None:
    import onnxruntime

    opened = open_bundle(bundle)
    assert opened.card.classes == CLASSES
    session = onnxruntime.InferenceSession(opened.model, providers=["CPUExecutionProvider"])
    assert tuple(output.name for output in session.get_outputs()) == OUTPUTS
    colours = np.array([tiny_colour(name) for name in CLASSES], np.float32) / 127.5 - 1
    inputs = np.broadcast_to(colours[:, :, None, None], (4, 3, 32, 32)).astype(np.float32)
    logits, features, cam, unlikeness = session.run(None, {"crops": inputs})
    assert logits.argmax(1).tolist() == [0, 1, 2, 3]
    assert features == pytest.approx(colours, abs=1e-6)
    assert cam.mean((2, 3)) == pytest.approx(logits, abs=1e-4)
    assert unlikeness == pytest.approx(np.zeros(4), abs=1e-5)


def test_the_network_is_read_once_so_that_a_swap_cannot_follow_the_check(bundle: Path) -> None:
    opened = open_bundle(bundle)
    (bundle / "model.onnx").write_bytes(b"something else")
    assert hashlib.sha256(opened.model).hexdigest() == opened.card.model_sha256


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(DataError, match=f"{name} missing"):
        open_bundle(bundle)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="found a file"):
        open_bundle(tmp_path / "file")
    with pytest.raises(DataError, match="found nothing there"):
        open_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2.0", "is of version 2.0; this program knows version 1"),
        ("0.9", "is of version 0.9"),
        ("one", "schema_version is 'one'"),
        (1.0, "schema_version is 1.0"),
        (None, "schema_version is None"),
        ("1.99999999", "schema_version is"),
    ],
)
def test_an_unknown_version_is_refused(bundle: Path, version: object, reason: str) -> None:
    edit_card(bundle, lambda card: card.update(schema_version=version, something_new=1))
    with pytest.raises(DataError, match=reason):
        open_bundle(bundle)


def test_a_newer_minor_version_is_read_without_what_it_adds(bundle: Path) -> None:
    before = BundleCard.read(bundle / "card.json")

    def change(card: dict[str, Any]) -> None:
        card["schema_version"] = "1.7"
        card["tint"] = {"hue": 3}
        card["operating"]["1"]["also"] = [1]
        card["data"]["patients"] = None

    edit_card(bundle, change)
    assert open_bundle(bundle).card == before.model_copy(update={"schema_version": "1.7"})


def test_a_card_of_the_first_version_is_read_without_what_came_later(bundle: Path) -> None:
    def change(card: dict[str, Any]) -> None:
        card["schema_version"] = "1.0"
        del card["results"]["leaked"]
        for point in card["operating"].values():
            del point["other_rates"]

    edit_card(bundle, change)
    card = open_bundle(bundle).card
    assert card.results.leaked is None
    assert all(point.other_rates == {} for point in card.operating.values())


@pytest.mark.parametrize("field", ["title", "limitations"])
def test_a_card_that_hides_a_leaking_split_is_refused(field: str) -> None:
    whole = leaking_card().model_dump(mode="json")
    assert BundleCard.parse(json.dumps(whole).encode(), "card").results.leaked == "The split leaks: all."
    whole[field] = "Tiny" if field == "title" else whole[field][1:]
    with pytest.raises(DataError, match=f"{field}: the split leaks"):
        BundleCard.parse(json.dumps(whole).encode(), "card")


def test_an_unknown_field_is_refused_in_the_version_this_program_writes(bundle: Path) -> None:
    edit_card(bundle, lambda card: card.update(schema_version=SCHEMA_VERSION, temprature=1))
    with pytest.raises(DataError, match="temprature: extra inputs"):
        open_bundle(bundle)


@pytest.mark.parametrize("field", sorted(set(BundleCard.model_fields) - {"colour_order", "quantisation"}))
def test_every_missing_field_is_named(bundle: Path, field: str) -> None:
    edit_card(bundle, lambda card: card.pop(field))
    with pytest.raises(DataError, match=field):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("operating", "1", "temperature"), 0.0),
        (("operating", "1", "certain_threshold"), -0.1),
        (("operating", "1", "conformal", "0.90"), [0.5]),
        (("operating", "2"), {}),
        (("std",), [0.1, 0.0, 0.1]),
        (("classes",), ["neutrophil", "neutrophil", "lymphocyte", "monocyte"]),
        (("input_px",), "32"),
        (("colour_order",), "BGR"),
        (("model_sha256",), "AB"),
        (("mean",), [0.5, 0.5]),
    ],
)
def test_a_garbled_field_is_refused(bundle: Path, path: tuple[str, ...], value: object) -> None:
    def change(card: dict[str, Any]) -> None:
        part = card
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value

    edit_card(bundle, change)
    with pytest.raises(DataError, match=r"card.json is damaged"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("operating", "1", "conformal"), {"0.95": [0.9] * 4}, "operating.1.conformal: there is no entry"),
        (("operating", "1", "conformal"), {"0.90": [0.9] * 4, "most": [0.9] * 4}, "conformal.most"),
        (("operating", "1", "expected", "coverage"), {"all": None}, "coverage.all"),
        (("operating", "1", "expected", "set_size"), {}, "coverage and set_size have different levels"),
        (("operating", "1", "temperature"), 1e-300, "operating.1.temperature"),
        (("operating", "1", "accuracy", "value"), 1.5, "1.5 is no share"),
        (("operating", "4", "expected", "unlike", "value"), -0.1, "-0.1 is no share"),
        (("results", "models"), [], "results.models"),
        (("results", "majority", "accuracy", "value"), 7.0, "7 is no share"),
        (("network", "multiply_adds"), 10**400, "network.multiply_adds"),
        (("std", 0), 1e-320, "std.0"),
        (("precision",), "int8", "precision is int8, and quantisation"),
        (("classes", 1), "Unidentified", "'Unidentified' cannot name a class"),
        (("classes", 1), "a|b", "'a|b' cannot name a class"),
        (("classes", 1), "a\nb", "cannot name a class"),
        (("classes", 1), "", "'' cannot name a class"),
        (("classes", 1), " a", "' a' cannot name a class"),
    ],
)
def test_a_card_that_could_not_be_used_is_refused_by_name(
    bundle: Path, path: tuple[str | int, ...], value: Any, named: str
) -> None:
    def change(card: dict[str, Any]) -> None:
        part: Any = card
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value

    edit_card(bundle, change)
    with pytest.raises(DataError, match=r"card.json") as caught:
        open_bundle(bundle)
    assert named in caught.value.what


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": NaN}', b"[" * 5000, b'{"schema_version": "1.0"}'],
)
def test_a_damaged_card_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / "card.json").write_bytes(content)
    with pytest.raises(DataError, match=r"card\.json"):
        open_bundle(bundle)


def test_a_huge_card_is_not_read(bundle: Path) -> None:
    with (bundle / "card.json").open("ab") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(DataError, match="is no card"):
        open_bundle(bundle)


def test_a_changed_network_is_refused(bundle: Path) -> None:
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[-1] ^= 1
    (bundle / "model.onnx").write_bytes(content)
    with pytest.raises(DataError, match="SHA-256"):
        open_bundle(bundle)
    (bundle / "model.onnx").write_bytes(content[:-1])
    with pytest.raises(DataError, match="bytes, the card says"):
        open_bundle(bundle)


def test_external_data_are_refused(bundle: Path) -> None:
    model = loaded(bundle)
    tensor = next(one for one in model.graph.initializer if one.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    put_model(bundle, model)
    with pytest.raises(DataError, match=r"keeps data in other files \(weights\)"):
        open_bundle(bundle)


def test_external_data_are_found_inside_attributes_and_inner_graphs(bundle: Path) -> None:
    hidden = numpy_helper.from_array(np.ones(3, np.float32), "hidden")
    hidden.ClearField("raw_data")
    hidden.external_data.add(key="location", value="elsewhere.bin")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=hidden)], "inner", [], [])
    model = loaded(bundle)
    model.graph.node.append(helper.make_node("If", ["?"], ["d"], then_branch=inner, else_branch=inner))
    put_model(bundle, model)
    with pytest.raises(DataError, match="hidden"):
        open_bundle(bundle)


@pytest.mark.parametrize("where", ["graph", "branch", "import"])
def test_operators_of_others_are_refused(bundle: Path, where: str) -> None:
    model = loaded(bundle)
    node = helper.make_node("RunShell", ["crops"], ["oops"], domain="com.example")
    if where == "graph":
        model.graph.node.append(node)
    elif where == "branch":
        inner = helper.make_graph([node], "inner", [], [])
        model.graph.node.append(helper.make_node("If", ["?"], ["d"], then_branch=inner, else_branch=inner))
    else:
        model.opset_import.append(helper.make_opsetid("com.example", 1))
    put_model(bundle, model)
    with pytest.raises(DataError, match=r"operators that are not ONNX's own .*com\.example"):
        open_bundle(bundle)


def test_functions_of_its_own_are_refused(bundle: Path) -> None:
    model = loaded(bundle)
    node = helper.make_node("Identity", ["x"], ["y"])
    model.functions.append(helper.make_function("local", "Trick", ["x"], ["y"], [node], model.opset_import))
    put_model(bundle, model)
    with pytest.raises(DataError, match=r"functions of its own \(Trick\)"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda graph: graph.output.pop(), "outputs: expected logits, features, cam, unlikeness"),
        (lambda graph: graph.output.reverse(), "outputs: expected logits, features, cam, unlikeness"),
        (lambda graph: graph.input.append(graph.input[0]), "inputs: expected crops, found crops, crops"),
        (lambda graph: setattr(graph.input[0], "name", "images"), "expected crops, found images"),
        (
            lambda graph: setattr(graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1),
            r"crops has the shape \(1 × 3 × 32 × 32\), expected \(N × 3 × 32 × 32\)",
        ),
        (
            lambda graph: setattr(graph.output[0].type.tensor_type.shape.dim[1], "dim_value", 5),
            r"logits has the shape \(N × 5\), expected \(N × 4\)",
        ),
        (lambda graph: graph.output[2].type.tensor_type.shape.dim.pop(), "cam has the shape"),
        (lambda graph: graph.output[3].type.tensor_type.ClearField("shape"), r"\(unknown\)"),
        (
            lambda graph: setattr(graph.output[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
            "logits does not hold 32-bit floats",
        ),
    ],
)
def test_other_inputs_and_outputs_are_refused(
    bundle: Path, change: Callable[[onnx.GraphProto], object], reason: str
) -> None:
    model = loaded(bundle)
    change(model.graph)
    put_model(bundle, model)
    with pytest.raises(DataError, match=reason):
        open_bundle(bundle)


def test_a_network_for_other_classes_is_refused(bundle: Path) -> None:
    three = CLASSES[:3]
    put_model(bundle, onnx.load_from_string(tiny_model(three)))
    with pytest.raises(DataError, match=r"logits has the shape \(N × 3\), expected \(N × 4\)"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"PK\x03\x04" + bytes(50), b"\x80\x04\x95", b"\x3a\x7f", b"\xff" * 20]
)
def test_what_is_no_onnx_model_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError):
        read_facts(content)


def test_what_the_file_says_is_read_as_onnx_reads_it() -> None:
    content = tiny_model()
    model, facts = onnx.load_from_string(content), read_facts(content)
    assert facts.imports == {one.domain: one.version for one in model.opset_import}
    assert facts.operators == {node.op_type for node in model.graph.node}
    for ports, values in ((facts.inputs, model.graph.input), (facts.outputs, model.graph.output)):
        assert [(port.name, port.element) for port in ports] == [(v.name, v.type.tensor_type.elem_type) for v in values]
        for port, value in zip(ports, values, strict=True):
            dimensions = value.type.tensor_type.shape.dim
            assert port.shape == tuple(one.dim_value if one.HasField("dim_value") else None for one in dimensions)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_network_never_ends_in_a_traceback(data: st.DataObject) -> None:
    content = bytearray(tiny_model())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = content[: data.draw(st.integers(0, len(content)))]
    for damaged in (content, cut):
        try:
            read_facts(bytes(damaged))
        except MalformedError as error:
            assert str(error)


def test_graphs_nested_without_end_are_refused() -> None:
    def field(number: int, content: bytes) -> bytes:
        size, rest = len(content), b""
        while size > 127:
            rest, size = rest + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + rest + bytes([size]) + content

    graph = b""
    for _ in range(40):
        graph = field(1, field(5, field(6, graph)))  # a node, its attribute, the graph in it
    with pytest.raises(MalformedError, match="nested"):
        read_facts(field(7, graph))


def test_an_installation_without_a_default_bundle_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default, "FOLDER", tmp_path)
    with pytest.raises(DataError, match="no default bundle"):
        default_bundle()
    tiny_bundle(tmp_path)
    assert open_bundle(default_bundle()).card.name == "tiny"


def test_opening_a_bundle_imports_neither_onnx_nor_torch(bundle: Path) -> None:
    code = (
        "import sys, pathlib; from buffycoat.bundle.read import open_bundle; import buffycoat.bundle.answer\n"
        f"open_bundle(pathlib.Path({str(bundle)!r}))\n"
        "assert not {'onnx', 'onnxruntime', 'torch', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
