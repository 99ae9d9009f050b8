#pragma once
// A file descriptor that closes itself. Private to os.

#include <unistd.h>

#include <utility>

namespace taskstore::os {

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : x_fd(fd) {}
    Descriptor(Descriptor&& other) noexcept : x_fd(std::exchange(other.x_fd, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() { close(); }
    void take(int fd) {
        close();
        x_fd = fd;
    }
    /// Linux frees the number even when close(2) is interrupted, so it is never repeated.
    void close() {
        if (x_fd >= 0) ::close(x_fd);
        x_fd = -1;
    }
    int get() const { return x_fd; }
    explicit operator bool() const { return x_fd >= 0; }

  private:
    int x_fd;
};

}  // namespace taskstore::os
