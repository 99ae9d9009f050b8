#pragma once
// Sleep of one thread until another one lets it go: a futex (futex(2), FUTEX_PRIVATE_FLAG). Waking
// takes no lock, and who wakes up needs none either, so that many can be let go one after the other
// without meeting at a mutex; it sleeps at once, where std::atomic::wait yields first.

#include <atomic>
#include <cstdint>

namespace taskstore::os {

/// Holds one permit at most, none at first. One thread parks; any thread unparks. Thread-safe; the
/// object must outlive each unpark() that may have begun. What is written before unpark() is seen
/// after the park that it ends.
class Parker {
  public:
    Parker() = default;
    Parker(const Parker&) = delete;
    Parker& operator=(const Parker&) = delete;

    /// Takes the permit; sleeps until there is one.
    void park();
    /// The same, for `timeout_ns` (steady clock) at most: false, there was none. 0 and less: looks.
    bool park_for(std::int64_t timeout_ns);
    /// Gives the permit and wakes who waits for it. A second one before it is taken is lost.
    void unpark();

  private:
    bool take() { return x_permit.exchange(0, std::memory_order_acquire) != 0; }
    std::atomic<std::uint32_t> x_permit{0};
};

}  // namespace taskstore::os
