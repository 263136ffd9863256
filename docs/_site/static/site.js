"use strict";
// What scrolls sideways can be reached by keyboard.
const reach = () => {
  for (const one of document.querySelectorAll("pre, .table-wrapper, .formula")) {
    if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
};
addEventListener("load", reach);
addEventListener("resize", reach);
