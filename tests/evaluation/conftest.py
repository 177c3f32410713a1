import pytest

from toys import make_data, make_recipe


@pytest.fixture
def recipe():
    return make_recipe()


@pytest.fixture
def data():
    return make_data()
