#pragma once
// How much the tests of laws try: TASKSTORE_FULL=1 the large counts; else the usual ones, and fewer
// in a build without optimisation, which is watched by sanitizers.

#include <cstdlib>

namespace taskstore::ledger {

inline bool full_run() {
    return std::getenv("TASKSTORE_FULL") != nullptr;
}

inline int rounds(int full, int usual, int watched) {
    if (full_run()) return full;
#ifdef NDEBUG
    static_cast<void>(watched);
    return usual;
#else
    static_cast<void>(usual);
    return watched;
#endif
}

}  // namespace taskstore::ledger
