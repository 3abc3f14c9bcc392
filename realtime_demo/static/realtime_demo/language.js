/** The links to the same page in another language lead to what is on it now: its address may
 * have changed since the server wrote them. */
for (const link of document.querySelectorAll("a[hreflang]")) {
  link.addEventListener("click", () => {
    const address = new URL(location.href);
    address.searchParams.set("lang", link.hreflang);
    link.href = address.href;
  });
}
