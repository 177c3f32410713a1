import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serkit
from serkit.serving.batching import BatchedClassifier, Batcher
from serkit.serving.refusals import DeadlineError, RefusedError

OPTIONS = {"name": "test", "most": 8, "wait_s": 0.02, "most_waiting": 100}


@pytest.fixture
def made():
    batchers = []

    def make(compute, **options):
        batchers.append(Batcher(compute, **{**OPTIONS, **options}))
        return batchers[-1]

    yield make
    for batcher in batchers:
        batcher.close()


def test_items_of_several_threads_become_one_batch(made):
    batches = []

    def compute(items):
        batches.append(items)
        return [item * item for item in items]

    batcher = made(compute, wait_s=1.0, most=4)
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: batcher.results([i], timeout_s=9)}))
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [i * i] for i in range(4)}
    assert [sorted(batch) for batch in batches] == [[0, 1, 2, 3]]  # full before its time


def test_several_threads_compute_batches_at_once(made):
    both = threading.Barrier(2)

    def compute(items):
        both.wait(timeout=30)  # breaks if one batch waits for the other
        return items

    batcher = made(compute, n_threads=2, most=1, wait_s=0.0)
    assert batcher.results([1, 2], timeout_s=30) == [1, 2]
    assert batcher.depth == 0


@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), max_size=12),
    most=st.integers(1, 6),
    n_threads=st.integers(1, 3),
)
def test_each_caller_gets_its_own_results(calls, most, n_threads):
    def compute(items):
        assert len(items) <= most
        return [ValueError(str(item)) if item == 7 else item + 1 for item in items]

    batcher = Batcher(compute, **{**OPTIONS, "most": most, "wait_s": 0.0, "n_threads": n_threads})
    futures = [batcher.submit(call) for call in calls]
    batcher.close()
    for call, of_call in zip(calls, futures, strict=True):
        for item, future in zip(call, of_call, strict=True):
            if item == 7:
                assert isinstance(future.exception(), ValueError)
            else:
                assert future.result() == item + 1


def test_one_item_that_fails_does_not_cost_the_others(made):
    def compute(items):
        if 13 in items:
            raise ValueError("thirteen")
        return items

    batcher = made(compute, wait_s=0.2)
    good, bad, other = (batcher.submit([item])[0] for item in (1, 13, 2))
    assert (good.result(), other.result()) == (1, 2)
    with pytest.raises(ValueError, match="thirteen"):
        bad.result()


def test_a_full_queue_refuses(made):
    hold = threading.Event()
    batcher = made(lambda items: hold.wait() and items, most=1, most_waiting=2)
    first = batcher.submit([1])
    while batcher.depth:
        time.sleep(0.001)
    rest = batcher.submit([2, 3])
    with pytest.raises(RefusedError) as refused:
        batcher.submit([4])
    assert refused.value.status == 429
    hold.set()
    assert [future.result() for future in (*first, *rest)] == [1, 2, 3]


def test_results_that_come_too_late(made):
    hold = threading.Event()
    batcher = made(lambda items: hold.wait() and items)
    with pytest.raises(DeadlineError):
        batcher.results([1], timeout_s=0.05)
    hold.set()


def test_what_waits_is_computed_before_the_end():
    batcher = Batcher(lambda items: items, **{**OPTIONS, "wait_s": 9.0})
    futures = batcher.submit([1, 2])
    batcher.close()
    assert [future.result(0) for future in futures] == [1, 2]
    with pytest.raises(RefusedError):
        batcher.submit([3])


@pytest.mark.parametrize("name", ["tiny", "emodb7", "ravdess8", "tiny-mel"])
def test_batches_give_the_same_numbers_to_the_last_bit(name, note):
    backend = serkit.load(name).backend
    if name == "tiny-mel":
        from serkit.codec import log_mel_of
        from serkit.features.whisper import scaled

        frames = scaled(log_mel_of(note))
        windows = [frames[:, i * 20 : i * 20 + 100 + i] for i in range(20)]
    else:
        windows = [note[i * 9000 : i * 9000 + 16_000 + 500 * i] for i in range(20)]
    batched = BatchedClassifier(backend, timeout_s=9.0, **OPTIONS)
    try:
        together = batched.outputs(windows)
    finally:
        batched.batcher.close()
    for i, window in enumerate(windows):
        alone = backend.outputs([window])
        np.testing.assert_array_equal(together.logits[i], alone.logits[0])
        np.testing.assert_array_equal(together.embeddings[i], alone.embeddings[0])
        np.testing.assert_array_equal(together.distances[i], alone.distances[0])
