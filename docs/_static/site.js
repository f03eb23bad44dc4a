// On a phone a figure of several panels keeps its size and scrolls; one panel fits the page.
window.addEventListener("load", () => {
  for (const image of document.querySelectorAll(".bd-article .cell_output img")) {
    if (image.naturalWidth > 740) image.classList.add("panels");
  }
});
