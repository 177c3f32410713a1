import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as TheirRidge

from serkit.adaptation import ELM, OSELM, Hidden, Linear
from serkit.errors import ProfileError

CLASSES = ("angry", "sad", "happy")
RNG = np.random.default_rng(0)
CENTRES = 2.0 * RNG.standard_normal((3, 6))
TARGETS = RNG.integers(3, size=300)
VECTORS = CENTRES[TARGETS] + RNG.standard_normal((300, 6))
LABELS = [CLASSES[i] for i in TARGETS]


def batch(head, vectors, labels, weights=None):
    """The ridge regression of all samples at once, by least squares on stacked rows."""
    rows = head.hidden(vectors)
    weights = np.sqrt(np.ones(len(rows)) if weights is None else weights)[:, None]
    wanted = np.array([[label == one for one in head.classes] for label in labels], float)
    wanted = wanted.reshape(len(rows), len(head.classes))
    penalised = np.concatenate((weights * rows, np.sqrt(head.penalty) * np.eye(rows.shape[1])))
    targets = np.concatenate((weights * wanted, np.zeros((rows.shape[1], wanted.shape[1]))))
    return np.linalg.lstsq(penalised, targets, rcond=None)[0]


@pytest.mark.parametrize("n", [1, 30, 300])
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_elm_is_scikit_learns_ridge_on_the_hidden_outputs(n, penalty):
    """Also with fewer samples than hidden units."""
    head = ELM(6, n_hidden=40, penalty=penalty, classes=CLASSES).fit(VECTORS[:n], LABELS[:n])
    reference = TheirRidge(alpha=penalty, fit_intercept=False, solver="svd")
    reference.fit(head.hidden(VECTORS[:n]), np.eye(3)[TARGETS[:n]])
    np.testing.assert_allclose(head.output_weights, reference.coef_.T, atol=1e-9)


def test_elm_answers_as_oselm():
    one, other = (
        make(6, n_hidden=40, penalty=0.1, seed=5).fit(VECTORS, LABELS) for make in (ELM, OSELM)
    )
    np.testing.assert_allclose(
        one.predict_proba(VECTORS), other.predict_proba(VECTORS), rtol=0, atol=1e-9
    )


def test_elm_is_trained_once():
    head = ELM(6, n_hidden=12, classes=CLASSES).partial_fit(VECTORS, LABELS)
    before = head.predict_proba(VECTORS)
    with pytest.raises(ProfileError, match=r"an ELM cannot be trained further; .* or use an OSELM"):
        head.partial_fit(VECTORS[:1], LABELS[:1])
    np.testing.assert_array_equal(head.predict_proba(VECTORS), before)
    again = ELM(6, n_hidden=12, classes=CLASSES).fit(VECTORS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(VECTORS), before)


@pytest.mark.parametrize("chunk", [1, 2, 7, 299, 300])
def test_oselm_is_the_batch_solution_whatever_the_chunks(chunk):
    """Also when the first chunk is smaller than the hidden layer."""
    head = OSELM(6, n_hidden=40, penalty=0.1)
    for start in range(0, 300, chunk):
        head.partial_fit(VECTORS[start : start + chunk], LABELS[start : start + chunk])
    np.testing.assert_allclose(head.output_weights, batch(head, VECTORS, LABELS), atol=1e-9)
    whole = OSELM(6, n_hidden=40, penalty=0.1).fit(VECTORS, LABELS)
    np.testing.assert_allclose(head.predict_proba(VECTORS), whole.predict_proba(VECTORS), atol=1e-9)


def test_oselm_after_100_000_updates_of_one_sample():
    rng = np.random.default_rng(1)
    targets = rng.integers(3, size=100_000)
    vectors = CENTRES[targets] + rng.standard_normal((100_000, 6))
    labels = [CLASSES[i] for i in targets]
    head = OSELM(6, n_hidden=20, penalty=1.0, classes=CLASSES)
    for i in range(len(vectors)):
        head.partial_fit(vectors[i : i + 1], labels[i : i + 1])
    np.testing.assert_allclose(head.output_weights, batch(head, vectors, labels), atol=1e-6)
    elm = ELM(6, n_hidden=20, penalty=1.0, classes=CLASSES).fit(vectors, labels)
    np.testing.assert_allclose(head.output_weights, elm.output_weights, atol=1e-6)
    matrix = head.normal_matrix
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] >= 1.0 - 1e-6


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.binary(min_size=4, max_size=16), min_size=10, max_size=10))
def test_oselm_forgets_exactly_in_10_000_sequences(sequences):
    """A byte below 128 learns a chunk of up to 4 samples; another forgets one of those learned."""
    for sequence in sequences:
        head = OSELM(6, n_hidden=6, penalty=0.5, classes=CLASSES)
        learned = []
        for byte in sequence:
            if byte >= 128 and learned:
                i = learned.pop(byte % len(learned))
                head.forget(VECTORS[i : i + 1], LABELS[i : i + 1])
            else:
                start, stop = byte % 32, byte % 32 + 1 + byte // 32 % 4
                learned += range(start, stop)
                head.partial_fit(VECTORS[start:stop], LABELS[start:stop])
        expected = batch(head, VECTORS[learned], [LABELS[i] for i in learned])
        assert np.abs(head.output_weights - expected).max() < 1e-9


def test_oselm_with_classes_that_appear_later_is_the_batch_solution():
    head = OSELM(6, n_hidden=12, penalty=0.5)
    order = sorted(range(60), key=lambda i: TARGETS[i])
    for i in order:
        head.partial_fit(VECTORS[i : i + 1], [LABELS[i]])
    assert head.classes == CLASSES
    expected = batch(head, VECTORS[order], [LABELS[i] for i in order])
    np.testing.assert_allclose(head.output_weights, expected, atol=1e-9)


@pytest.mark.parametrize("cls", [ELM, OSELM])
def test_a_penalty_below_the_rounding_error_of_many_like_samples(cls):
    """Five samples and forty units: each is met exactly."""
    vectors, labels = np.repeat(VECTORS[:5], 20_000, axis=0), LABELS[:5]
    head = cls(6, n_hidden=40, penalty=1e-9).fit(
        vectors, [label for label in labels for _ in range(20_000)]
    )
    wanted = [[label == one for one in head.classes] for label in labels]
    np.testing.assert_allclose(head.scores(VECTORS[:5]), wanted, atol=1e-6)


def test_oselm_with_a_forgetting_factor():
    head = OSELM(6, n_hidden=12, penalty=0.5, forgetting=0.9)
    for start in (0, 3, 10):
        stop = {0: 3, 3: 10, 10: 40}[start]
        head.partial_fit(VECTORS[start:stop], LABELS[start:stop])
    weights = 0.9 ** np.arange(40)[::-1]
    expected = batch(head, VECTORS[:40], LABELS[:40], weights)
    np.testing.assert_allclose(head.output_weights, expected, atol=1e-9)
    np.testing.assert_array_equal(head.normal_matrix, head.normal_matrix.T)
    head.forget(VECTORS[3:10], LABELS[3:10], age=30)
    kept = [i for i in range(40) if not 3 <= i < 10]
    expected = batch(head, VECTORS[kept], [LABELS[i] for i in kept], weights[kept])
    np.testing.assert_allclose(head.output_weights, expected, atol=1e-9)


def test_oselm_refuses_to_forget_what_it_has_not_learned():
    head = OSELM(6, n_hidden=12).fit(VECTORS[:20], LABELS[:20])
    before = head.output_weights.copy()
    with pytest.raises(ProfileError, match="have not been learned"):
        head.forget(10.0 * VECTORS[30:31], LABELS[30:31])
    with pytest.raises(ProfileError, match="nothing of the class 'calm'"):
        head.forget(VECTORS[:1], ["calm"])
    np.testing.assert_array_equal(head.output_weights, before)


def test_oselm_refuses_to_forget_under_a_class_of_fewer_samples():
    head = OSELM(6, n_hidden=12, classes=CLASSES)
    angry = [i for i in range(300) if LABELS[i] == "angry"][:5]
    head.partial_fit(VECTORS[angry], ["angry"] * 5)
    before = head.output_weights.copy()
    with pytest.raises(ProfileError, match="have not been learned"):
        head.forget(VECTORS[angry[:1]], ["sad"])
    np.testing.assert_array_equal(head.output_weights, before)
    assert head.classes == CLASSES


@pytest.mark.parametrize("age", [-1, float("nan"), 1.0])
def test_an_age_that_is_no_number_of_samples(age):
    head = OSELM(6, n_hidden=12, forgetting=0.9).fit(VECTORS[:20], LABELS[:20])
    with pytest.raises(ProfileError, match="the age is"):
        head.forget(VECTORS[:1], LABELS[:1], age=age)


@pytest.mark.parametrize("cls", [Linear, Hidden])
def test_training_that_diverges_keeps_what_was_learned(cls):
    head = cls(6, optimiser="sgd", epochs=200, classes=CLASSES)
    head.partial_fit(VECTORS[:50], LABELS[:50])
    before, n_steps = head.predict_proba(VECTORS), head.n_steps
    head.penalty = 1e6
    for labels in (LABELS, ["calm", *LABELS[1:]]):
        with pytest.raises(ProfileError, match="training diverged"):
            head.partial_fit(VECTORS, labels)
        np.testing.assert_array_equal(head.predict_proba(VECTORS), before)
        assert (head.classes, head.n_steps) == (CLASSES, n_steps)
    with pytest.raises(ProfileError, match="training diverged"):
        cls(6, penalty=1e6, optimiser="sgd").fit(VECTORS, LABELS)


def accuracy(head, probabilities):
    predicted = [head.classes[i] for i in probabilities.argmax(axis=1)]
    return np.mean([one == other for one, other in zip(predicted, LABELS[200:], strict=True)])


HEADS = {
    "elm": lambda **o: ELM(6, n_hidden=30, penalty=0.1, **o),
    "oselm": lambda **o: OSELM(6, n_hidden=30, penalty=0.1, **o),
    "linear": lambda **o: Linear(6, learning_rate=0.05, epochs=20, **o),
    "hidden": lambda **o: Hidden(6, n_hidden=15, learning_rate=0.02, epochs=20, **o),
    "sgd": lambda **o: Linear(6, optimiser="sgd", learning_rate=0.2, epochs=20, **o),
}
TRAINED_FURTHER = {name: make for name, make in HEADS.items() if name != "elm"}


@pytest.mark.parametrize("make", TRAINED_FURTHER.values(), ids=TRAINED_FURTHER)
def test_a_class_may_appear_later(make):
    two = [i for i in range(300) if LABELS[i] != "happy"]
    head = make().fit(VECTORS[two], [LABELS[i] for i in two])
    assert set(head.classes) == {"angry", "sad"}
    for _ in range(3):
        head.partial_fit(VECTORS[:200], LABELS[:200])
    assert set(head.classes) == set(CLASSES)
    assert accuracy(head, head.predict_proba(VECTORS[200:])) > 0.8


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS)
class TestEveryHead:
    def test_it_learns(self, make):
        head = make().fit(VECTORS[:200], LABELS[:200])
        answers = head.predict_proba(VECTORS[200:])
        np.testing.assert_allclose(answers.sum(axis=1), 1.0)
        assert accuracy(head, answers) > 0.85

    def test_fixed_classes(self, make):
        head = make(classes=("angry", "sad"), fixed=True)
        with pytest.raises(ProfileError, match="unknown class 'happy'; the classes are angry, sad"):
            head.fit(VECTORS, LABELS)

    @pytest.mark.parametrize(
        ("vectors", "labels", "message"),
        [
            (VECTORS[:, :5], LABELS, r"shape \[300, 5\]; expected floats of shape \[n, 6\]"),
            (VECTORS[0], LABELS, r"shape \[6\]"),
            (VECTORS.astype(int), LABELS, "int64"),
            (np.full((300, 6), np.nan), LABELS, "not finite"),
            (VECTORS, LABELS[:-1], "299 labels for 300 vectors"),
            (VECTORS, "angry", "labels for 300 vectors"),
            (VECTORS, ["", *LABELS[1:]], "expected non-empty text"),
            (VECTORS, [3, *LABELS[1:]], "expected non-empty text"),
            (VECTORS, [["angry"], *LABELS[1:]], "expected non-empty text"),
            (
                np.zeros((100_000, 6)),
                [str(i) for i in range(100_000)],
                r"1\d{5} classes; expected at most 1024",
            ),
        ],
    )
    def test_bad_input(self, make, vectors, labels, message):
        head = make().fit(VECTORS[:50], LABELS[:50])
        before = head.predict_proba(VECTORS)
        for train in (head.fit,) if isinstance(head, ELM) else (head.fit, head.partial_fit):
            with pytest.raises(ProfileError, match=message):
                train(vectors, labels)
        np.testing.assert_array_equal(head.predict_proba(VECTORS), before)

    def test_fit_drops_the_classes_of_earlier_training(self, make):
        head = make(classes=("sad",)).fit(VECTORS, LABELS)
        assert set(head.classes) == {*CLASSES}
        angry = [i for i in range(300) if LABELS[i] == "angry"]
        head.fit(VECTORS[angry], ["angry"] * len(angry))
        assert head.classes == ("sad", "angry")
        fresh = make(classes=("sad",)).fit(VECTORS[angry], ["angry"] * len(angry))
        np.testing.assert_array_equal(head.predict_proba(VECTORS), fresh.predict_proba(VECTORS))

    def test_an_untrained_head(self, make):
        with pytest.raises(ProfileError, match="no classes yet"):
            make().predict_proba(VECTORS)


def test_linear_is_logistic_regression():
    """The same optimum as scikit-learn's, whose C is 1 / (n penalty)."""
    head = Linear(6, penalty=0.05, learning_rate=0.05, epochs=300, classes=CLASSES)
    head.fit(VECTORS, LABELS)
    for rate in (0.005, 0.0005):  # until the noise of the batches is small
        head.learning_rate = rate
        head.partial_fit(VECTORS, LABELS)
    reference = LogisticRegression(C=1 / (300 * 0.05), tol=1e-8, max_iter=5000)
    expected = reference.fit(VECTORS, TARGETS).predict_proba(VECTORS)
    np.testing.assert_allclose(head.predict_proba(VECTORS), expected, atol=0.005)


@pytest.mark.parametrize("head", [Linear(6, penalty=0.1), Hidden(6, n_hidden=5, penalty=0.1)])
def test_gradients_are_differences(head):
    head.fit(VECTORS[:50], LABELS[:50])
    wanted = np.eye(3)[[head.classes.index(label) for label in LABELS[:20]]]

    def loss():
        logits = head.scores(VECTORS[:20])
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        penalty = sum(np.square(p).sum() for p in head.parameters[::2]) * head.penalty / 2
        return -(wanted * logs).sum(axis=1).mean() + penalty

    for parameter, gradient in zip(
        head.parameters, head._gradients(VECTORS[:20].T, wanted.T), strict=True
    ):
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        parameter[place] += 1e-5
        above = loss()
        parameter[place] -= 2e-5
        below = loss()
        parameter[place] += 1e-5
        assert (above - below) / 2e-5 == pytest.approx(gradient[place], rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OSELM(0), "number of features is 0; expected a whole number, 1 to 65536"),
        (lambda: OSELM(6.0), r"number of features is 6\.0"),
        (lambda: OSELM(6, n_hidden=0), "number of hidden units is 0"),
        (lambda: OSELM(6, n_hidden=10.0), r"number of hidden units is 10\.0"),
        (lambda: OSELM(6, seed=2**24), "seed is 16777216; expected a whole number, 0 to 16777215"),
        (lambda: Linear(6, seed=-1), "seed is -1"),
        (lambda: Linear(6, seed=True), "seed is True"),
        (lambda: Linear(-6), "number of features is -6"),
        (lambda: Linear(6, epochs=1.5), r"number of epochs is 1\.5"),
        (lambda: Linear(6, epochs=0), "number of epochs is 0"),
        (lambda: Linear(6, classes="angry"), "expected non-empty text"),
        (lambda: ELM(6, n_hidden=4097), "hidden units is 4097; expected a whole number, 1 to 4096"),
        (lambda: ELM(6, penalty=float("nan")), "penalty is nan; expected 1e-9 to 1e9"),
        (lambda: OSELM(6, penalty=0.0), "penalty is 0"),
        (lambda: OSELM(6, forgetting=1.1), "forgetting factor is 1.1"),
        (lambda: Linear(6, learning_rate=float("nan")), "learning rate is nan"),
        (lambda: Linear(6, optimiser="lbfgs"), "expected adam or sgd"),
        (
            lambda: Hidden(6, n_hidden=5000),
            "units is 5000; expected a whole number, 1 to 4096",
        ),
        (lambda: Hidden(6, n_hidden="5"), "hidden units is '5'"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ProfileError, match=message):
        make()


def test_scale_is_the_deviation_of_the_inputs_of_the_units() -> None:
    vectors = np.random.default_rng(0).standard_normal((20_000, 50))
    for scale in (0.3, 1.0, 2.0):
        weights = ELM(50, n_hidden=200, scale=scale).hidden_weights[:, :-1]
        assert (vectors @ weights.T).std() == pytest.approx(scale, rel=0.03)
    with pytest.raises(ProfileError, match=r"the scale is 0; expected 0\.001 to 1000"):
        OSELM(50, scale=0)
