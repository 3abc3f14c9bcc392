/** Updates the links to the other language when the page's address changes with its settings. */
/** @type {NodeListOf<HTMLAnchorElement>} */
const links = document.querySelectorAll("a[hreflang]");
for (const link of links) {
  link.addEventListener("click", () => {
    const address = new URL(location.href);
    address.searchParams.set("lang", link.hreflang);
    link.href = address.href;
  });
}
