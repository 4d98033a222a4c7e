const answer = await fetch(`/api${location.pathname}`).then((r) => r.json());
document.getElementById("answer").textContent = `${answer.path} of version ${answer.version}`;
