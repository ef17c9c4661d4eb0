// A token's text is shown once, on the page that made it.
document.getElementById("token-form")?.addEventListener("answered", (event) => {
  const box = document.getElementById("token-shown");
  box.querySelector("[data-token]").textContent = event.detail.token;
  box.hidden = false;
});
