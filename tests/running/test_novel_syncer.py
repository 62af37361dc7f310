"""What a batch's sync draws at random."""

import random

from novelsync.running.novels.request_ids import request_id


def test_request_ids_differ_whoever_seeds_the_shared_random_numbers() -> None:
    ids = []
    for _ in range(2):
        random.seed(1)
        ids += [request_id(), request_id()]
    assert len(set(ids)) == 4
