import openai
import pytest

from groundup.core.errors import MissingArtifact, WrongKindArtifact
from groundup.serve.models import Catalogue, open_served


def test_models_are_listed_under_full_and_short_names(client):
    listed = client.models.list().data
    assert [model.id for model in listed] == ["tiny-sft-000000000000", "sft"]
    assert {model.root for model in listed} == {"tiny-sft-000000000000"}
    assert client.models.retrieve("sft").max_model_len == 160


@pytest.mark.parametrize("name", ["nothing", "a/b", "../x", "ft:base/x:org:suf:id"])
def test_an_unknown_model_is_404_also_with_slashes(client, name):
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve(name)
    assert raised.value.code == "model_not_found"


def test_a_short_name_that_two_models_share_names_neither(make_served):
    models = [make_served(id="one"), make_served(id="two"), make_served(id="three", alias="rl")]
    assert Catalogue(models).names() == ["one", "two", "three", "rl"]


def test_a_run_directory_is_served_under_its_name_and_key(run_dir):
    served = open_served(run_dir, device="cpu")
    assert (served.id, served.alias) == ("tiny-sft-0123456789ab", "sft")
    assert served.created > 1_600_000_000
    assert served.fingerprint == open_served(run_dir, device="cpu").fingerprint


def test_what_is_no_model_is_refused(tmp_path):
    from groundup.core.artifact import RunDir
    from groundup.core.manifest import Manifest

    with pytest.raises(MissingArtifact):
        open_served(tmp_path, device="cpu")
    manifest = Manifest(stage="corpus", stage_version=1, name="x", key="0123456789ab")
    corpus = RunDir(tmp_path / "corpus", manifest, "").complete()
    with pytest.raises(WrongKindArtifact, match="corpus"):
        open_served(corpus.path, device="cpu")
