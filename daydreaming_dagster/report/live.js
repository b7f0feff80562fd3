"use strict";
// Asks how far the cohort is, and loads the page again when there is more to see.

(() => {
  const EVERY = 2_000;
  const live = document.querySelector("#live");
  const said = live.querySelector("span");
  const fresh = live.querySelector("button");
  // Whoever reads a text or filters the list is not interrupted.
  const isBusy = () => !document.querySelector("#reader").hidden || document.querySelector("#filters").contains(document.activeElement);

  async function ask() {
    try {
      const answer = await fetch("progress", { cache: "no-store" });
      if (!answer.ok) throw new Error(await answer.text());
      const { version, said: far } = await answer.json();
      said.textContent = far;
      if (String(version) !== live.dataset.version) {
        if (isBusy()) fresh.hidden = false;
        else location.reload();
      }
    } catch (error) {
      said.textContent = error instanceof TypeError ? "The command has ended: this page no longer changes." : `Not up to date: ${error.message}`;
    }
    setTimeout(ask, EVERY);
  }

  fresh.addEventListener("click", () => location.reload());
  ask();
})();
