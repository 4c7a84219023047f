"""Where the suite runs in two processes, a group keeps to one of them."""

import pytest


def test_a_group_is_part_of_the_name_by_which_tests_are_handed_out(request):
    if not request.config.option.__dict__.get("loadgroup"):
        pytest.skip("this run is not by groups (--dist loadgroup)")

    assert request.node.nodeid.endswith(f"@{request.path}")
