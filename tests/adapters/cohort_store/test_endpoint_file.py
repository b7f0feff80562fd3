"""The researcher's endpoints: read with every problem named by its place, and no key quoted."""

import pytest

from adapters.cohort_store.catalog_files import read_catalog
from adapters.root_files.filesystem import FilesystemRootFiles
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.endpoints import EndpointEntry
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED


@pytest.fixture
def endpoints(data_root):
    """Write `endpoints.csv` and return what the catalog makes of it."""

    def read(text):
        paths = Paths(data_root)
        paths.endpoints_csv.write_text(text)
        return read_catalog(FilesystemRootFiles(paths.data_root), SHIPPED).endpoints

    return read


def problems_of(read, text):
    with pytest.raises(CatalogError) as caught:
        read(text)
    return [problem.partition("endpoints.csv, ")[2] for problem in caught.value.problems]


def test_a_data_root_needs_no_endpoints(data_root):
    assert read_catalog(FilesystemRootFiles(data_root), SHIPPED).endpoints == {}


def test_all_columns_are_read(endpoints):
    azure = "https://me.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21"

    read = endpoints(
        "id,base_url,api_key_variable,header_variables,timeout_seconds,patience_seconds,"
        "first_token_timeout_seconds,stream\n"
        f"azure,{azure},,api-key=AZURE_KEY x-team=TEAM,90,0,30,No\n"
        "router,https://openrouter.ai/api/v1/,ROUTER_KEY,,,,,\n"
    )

    headers = {"api-key": "AZURE_KEY", "x-team": "TEAM"}
    assert read == {
        "azure": (EndpointEntry("azure", azure, "", headers, 90.0, 0.0, 30.0, stream=False),),
        "router": (EndpointEntry("router", "https://openrouter.ai/api/v1", "ROUTER_KEY"),),
    }
    assert read["azure"][0].variables == ("AZURE_KEY", "TEAM")


def test_rows_with_one_id_share_its_load(endpoints):
    read = endpoints("id,base_url\ngpu,http://one:8000/v1\ngpu,http://two:8000/v1\n")

    assert [row.base_url for row in read["gpu"]] == ["http://one:8000/v1", "http://two:8000/v1"]


def test_all_problems_are_named_by_line_and_column(endpoints):
    found = problems_of(
        endpoints,
        "id,base_url,api_key_variable,header_variables,timeout_seconds,stream\n"
        ",http://one/v1,,,,\n"
        "local,http://one/v1,,,,\n"
        "a,http://one/v1/chat/completions,,,,maybe\n"
        "b,http://[::1,sk-secret,x-key:sk-secret,soon,\n"
        "c,http://me:sk-secret@one/v1,,,0,\n"
        "d,http://one/v1,KEY,,,\n"
        "d,http://one/v1/,KEY,,,\n"
        "e,http://one\n",
    )

    expected = [
        "line 2, column id: empty",
        "line 3, column id: 'local' is the model on this machine",
        "line 4, column base_url: 'http://one/v1/chat/completions' ends in /chat/completions",
        "line 4, column stream: expected yes or no, found 'maybe'",
        "line 5, column base_url: 'http://[::1' is not an endpoint: an IPv6 address needs both",
        "line 5, column api_key_variable: expected the name of an environment variable",
        "line 5, column header_variables: expected HEADER=VARIABLE, with spaces between pairs",
        "line 5, column timeout_seconds: expected a number of at least 0.1, found 'soon'",
        "line 6, column base_url: it contains a user or password",
        "line 6, column timeout_seconds: expected a number of at least 0.1, found '0'",
        "line 8, column id: 'd' appears twice with the same URL and key",
        "line 9: expected 6 cells, as in the header",
    ]
    assert len(found) == len(expected)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)
    assert "secret" not in "".join(found)


def test_a_misspelt_column_and_a_missing_one_are_named(endpoints):
    found = problems_of(endpoints, "id,url,api_key_variables\na,http://one/v1,KEY\n")

    assert found == [
        "line 1: no column base_url",
        "line 1: unknown column 'api_key_variables'; did you mean 'api_key_variable'?",
    ]


def test_a_provider_that_is_nearly_an_endpoint_is_a_mistake(endpoints, data_root):
    models = data_root / "1_raw/llm_models.csv"
    models.write_text("id,model,provider\nbig,big-1,opnerouter\nsmall,small-1,ollama\n")

    with pytest.raises(CatalogError) as caught:
        endpoints("id,base_url\nopenrouter,http://one/v1\n")

    (problem,) = caught.value.problems
    assert problem.startswith(f"{models}, line 2, column provider: no endpoint 'opnerouter' in ")
    assert problem.endswith("did you mean 'openrouter'?")
