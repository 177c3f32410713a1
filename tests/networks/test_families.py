import torch

from serkit.networks import LayeredNetwork, mlp


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_layers_and_parameters_of_the_paper():
    network = LayeredNetwork(mlp(180, [256, 512, 64], 7), dropout=0.1)
    by_hand = (180 + 1) * 256 + (256 + 1) * 512 + (512 + 1) * 64 + (64 + 1) * 7
    assert n_parameters(network) == by_hand == 211_207
    assert network(torch.zeros(3, 180)).shape == (3, 7)


def test_input_width_for_169k_parameters():
    # 169,000 parameters need 15 inputs; 676 KiB (and so 169 KiB at 8 bits) need 31.
    assert n_parameters(LayeredNetwork(mlp(15, [256, 512, 64], 7))) == 168_967
    assert n_parameters(LayeredNetwork(mlp(31, [256, 512, 64], 7))) == 173_063
    assert round(173_063 * 4 / 1024) == 676


def test_without_hidden_layers_it_is_linear():
    network = LayeredNetwork(mlp(5, [], 3))
    assert n_parameters(network) == 18
    x = torch.randn(4, 5)
    torch.testing.assert_close(network(2 * x) - network(x), network(x) - network(0 * x))


def test_dropout_acts_in_training_only():
    network = LayeredNetwork(mlp(50, [40], 3), dropout=0.5, input_dropout=0.5)
    x = torch.ones(1, 50)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
