"""The contests themselves, where their packages are installed, and what is said where not."""

from __future__ import annotations

import sys

import pytest

from benchmarks.judges import acnsim, ev2gym
from benchmarks.judges.__main__ import INSTALL, main
from benchmarks.judges.standing import Rolling

PACKAGES = {"ev2gym": "ev2gym", "acnsim": "acnportal"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("judge", PACKAGES)
def test_a_judge_that_is_not_installed_is_told_in_one_line(
    judge: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # So it is not to be had, whether it is installed or not.
    monkeypatch.setitem(sys.modules, PACKAGES[judge], None)
    monkeypatch.setattr(sys, "argv", ["judges", judge])
    assert main() == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert f"pip install {INSTALL[judge]}" in said.err


@pytest.mark.parametrize("words", [["ev2gym", "--seeds", "0"], ["acnsim", "--site", "mars"], []])
def test_words_that_are_not_known_end_with_2(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["judges", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("configuration", ev2gym.CONFIGURATIONS)
def test_we_beat_the_heuristics_of_ev2gym_on_nearly_all_days(configuration: str) -> None:
    pytest.importorskip("ev2gym", reason="EV2Gym is not installed")
    days = [ev2gym.contest(configuration, seed) for seed in range(101, 131)]
    for number, name in enumerate(ev2gym.HEURISTICS):
        duels = [day.duels[number] for day in days]
        assert sum(duel.ours.cost < duel.theirs.cost for duel in duels) >= 28, name
        assert sum(duel.won for duel in duels) >= 28, name
    assert [day.rolling.refused for day in days] == [0] * 30


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("site", acnsim.SITES)
def test_we_cost_less_than_each_sorted_algorithm_of_acnsim_and_exceed_no_limit(site: str) -> None:
    pytest.importorskip("acnportal", reason="ACN-Sim is not installed")
    queue = acnsim.events(site, 1, 1)
    found = acnsim.played(site, acnsim.our_algorithm(Rolling()), queue)
    assert found.violations == 0
    for name, algorithm in acnsim.sorted_algorithms().items():
        theirs = acnsim.played(site, algorithm, queue)
        cost = theirs.energy_cost + theirs.peak_cost
        assert found.energy_cost + found.peak_cost < cost, name
        assert found.delivered >= theirs.delivered - 0.002, name
