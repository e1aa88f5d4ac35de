"""Suites, reference scores and protocols."""

import pytest
import yaml

from rl_coordconv._util.errors import InputError, UnknownNameError
from rl_coordconv._util.presets import preset_names, preset_path
from rl_coordconv.envs import (
    human_normalized_score,
    load_protocol,
    load_suite,
    median_regressions,
    reference_scores,
    resolve_game,
)

SIZES = {"atari-5": 5, "atari-10": 10, "atari-26": 26, "atari-57": 57, "coordconv-9": 9}


def test_every_suite_file_is_known_here():
    assert set(preset_names("envs")) == set(SIZES)


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_sizes_names_and_scores(name, size):
    suite = load_suite(name)
    assert len(suite.games) == size
    assert "dqn_zoo" in suite.scores_source
    for game, scores in suite.games.items():
        assert resolve_game(game).name == game
        assert scores.human > scores.random
        assert scores == reference_scores()[game]


def test_the_suites_nest_and_ms_pacman_is_in_ours():
    games = {name: set(load_suite(name).games) for name in SIZES}
    assert games["atari-5"] < games["atari-10"] < games["atari-57"]
    assert games["atari-26"] < games["atari-57"]
    assert "MsPacman" in games["coordconv-9"] < games["atari-57"]
    assert games["atari-5"] == {"BattleZone", "DoubleDunk", "NameThisGame", "Phoenix", "Qbert"}


def test_scores_by_hand():
    # dqn_zoo: Pong -20.7 and 14.6, Breakout 1.7 and 30.5
    assert human_normalized_score("Pong", -20.7) == 0.0
    assert human_normalized_score("ALE/Pong-v5", 14.6) == 1.0
    assert human_normalized_score("breakout", 398.0) == pytest.approx(396.3 / 28.8)


def test_regressions_know_their_games():
    regressions = median_regressions()
    assert sorted(regressions) == ["atari-10", "atari-5"]
    # Human on every game is about human on the median: 101 to the power of the coefficients' sum.
    for name, regression in regressions.items():
        assert set(regression.coefficients) == set(load_suite(name).games)
        assert 0.9 < sum(regression.coefficients.values()) < 1.1


def test_unknown_games_and_missing_scores_raise():
    with pytest.raises(UnknownNameError, match="'Pong'"):
        human_normalized_score("Pogn", 0)
    with pytest.raises(InputError, match="no reference scores are known for 'Adventure'"):
        human_normalized_score("Adventure", 0)


def write(tmp_path, **changes):
    data = yaml.safe_load(preset_path("envs", "suite", "atari-5").read_text()) | changes
    if "median_of_57" not in changes:
        data.pop("median_of_57", None)  # it speaks of other games
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}))
    return str(path)


def test_a_file_of_ones_own(tmp_path):
    path = write(tmp_path, games={"Adventure": {"random": 0.0, "human": 1.0}}, protocol="machado")
    suite = load_suite(path)
    assert suite.protocol == "machado"
    assert suite.games["Adventure"].human_normalized(0.5) == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"games": {"Pogn": {"random": 0.0, "human": 1.0}}}, "did you mean 'Pong'"),
        ({"games": {"ms_pacman": {"random": 0.0, "human": 1.0}}}, "is written 'MsPacman' here"),
        ({"games": {"Pong": {"random": 0.0}}}, "games.Pong.human: missing"),
        ({"games": {"Pong": {"random": "0", "human": 1.0}}}, "games.Pong.random: .*got '0'"),
        ({"games": {"Pong": {"random": 1.0, "human": 1.0}}}, "no scale between"),
        ({"games": {}}, "at least 1"),
        (
            {"median_of_57": {"source": "-", "coefficients": {"Pong": 1.0}}},
            "does not have a coefficient for each",
        ),
        ({"protocol": "deepmnd"}, "did you mean 'deepmind'"),
        ({"scores_source": None}, "scores_source: missing"),
        ({"protocl": "deepmind"}, "protocl: unknown key .*did you mean 'protocol'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_suite(write(tmp_path, **changes))


def test_an_unknown_suite_is_refused_with_the_closest():
    with pytest.raises(UnknownNameError, match="unknown suite 'atari-75'; did you mean"):
        load_suite("atari-75")
    with pytest.raises(InputError, match="suite file 'none.yaml' does not exist"):
        load_suite("none.yaml")


def test_protocols_by_hand():
    deepmind, machado = load_protocol("deepmind"), load_protocol("machado")
    assert (deepmind.repeat_action_probability, machado.repeat_action_probability) == (0.0, 0.25)
    assert (deepmind.life_loss_ends_episode, machado.life_loss_ends_episode) == (True, False)
    assert deepmind.max_frames_per_episode == machado.max_frames_per_episode == 108_000
    assert not deepmind.fire_on_life_loss
    for protocol in (deepmind, machado):
        judged = protocol.for_evaluation()
        assert not judged.life_loss_ends_episode
        assert not judged.clip_rewards
        assert judged.repeat_action_probability == protocol.repeat_action_probability
    with pytest.raises(UnknownNameError, match="did you mean 'machado'"):
        load_protocol("macado")
