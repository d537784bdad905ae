/** What the socket layer knows of a socket's connect() and shutdown() (Linux: socket_state), apart from TCP's own state. */
export const SS_UNCONNECTED = 1;
/** connect() has been called and has not reported its outcome yet. */
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;
