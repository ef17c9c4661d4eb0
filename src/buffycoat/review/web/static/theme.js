// Runs before the first paint, so that a chosen theme does not flash. Nothing else belongs here.
try {
  const theme = localStorage.getItem("buffycoat.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is forbidden: the system's theme stands */ }
