/* Browsers start no worker from a file on disk, and the search of this site needs one. There a worker
   is a hidden frame that runs the same script and is spoken to in the same way. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.inside = new Promise((ready) => {
        const frame = document.createElement("iframe");
        frame.hidden = true;
        frame.srcdoc = `<script src="${new URL(url, document.baseURI)}"></script>`;
        frame.onload = () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          ready(inside);
        };
        document.body.append(frame);
      });
    }

    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
