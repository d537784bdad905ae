/** epoll: a set of descriptors to watch, and a list of those that are ready. */
export interface EpollLink {
  nextLink: EpollLink | null;
  fileGone(): void;
}
