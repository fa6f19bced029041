const search = document.getElementById("search"), odd = document.getElementById("odd"), found = document.getElementById("found");
const rows = [...document.querySelectorAll(".row")].map(row => [row, row.textContent.toLowerCase()]);
function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const [row, text] of rows) {
    row.hidden = !words.every(word => text.includes(word)) || (odd.checked && !row.classList.contains("odd"));
    count += !row.hidden;
  }
  for (const part of document.querySelectorAll(".part")) part.hidden = !part.querySelector(".row:not([hidden])");
  found.textContent = count === 1 ? "1 pair" : count + " pairs";
}
search.addEventListener("input", show);
odd.addEventListener("change", show);
if (location.hash.startsWith("#search=")) { search.value = decodeURIComponent(location.hash.slice(8)); show(); }
