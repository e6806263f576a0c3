package imds

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const (
	plain  = "text/plain"
	binary = "application/octet-stream"
)

// send answers with a text, to whose end nothing is added.
func send(w http.ResponseWriter, contentType, text string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Accept-Ranges", "none")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	// What cannot be written, the asker does not want any more.
	_, _ = io.WriteString(w, text)
}

// refuse answers with a status and the page that AWS has for it.
func refuse(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d - %s", status, http.StatusText(status))
	body := `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>` + title + `</title>
 </head>
 <body>
  <h1>` + title + `</h1>
 </body>
</html>
`
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// otherMethod answers a method that does not read: which ones there are.
func otherMethod(w http.ResponseWriter, r *http.Request, allow string) {
	h := w.Header()
	h.Set("Allow", allow)
	h.Set("Content-Type", plain)
	h.Set("Content-Length", "0")
	if r.Method != http.MethodOptions {
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
