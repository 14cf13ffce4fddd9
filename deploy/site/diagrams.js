// Draws the Mermaid blocks, with the library that `build` puts beside this file.
for (const block of document.querySelectorAll("code.language-mermaid")) {
    const diagram = document.createElement("div");
    diagram.className = "mermaid";
    diagram.textContent = block.textContent;
    block.closest("pre").replaceWith(diagram);
}
if (window.mermaid && document.querySelector(".mermaid")) {
    const isDark = ["coal", "navy", "ayu"].some((theme) => document.documentElement.classList.contains(theme));
    window.mermaid.initialize({ startOnLoad: true, theme: isDark ? "dark" : "default" });
}
