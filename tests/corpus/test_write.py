"""Documents on disk: the columns other stages read."""

from groundup.core.records import DOCUMENT_COLUMNS
from groundup.corpus.write import DOCUMENT


def test_documents_have_the_columns_that_tokens_reads():
    assert {field.name: str(field.type) for field in DOCUMENT} == DOCUMENT_COLUMNS
