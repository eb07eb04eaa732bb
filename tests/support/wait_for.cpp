#include "support/wait_for.hpp"

#include <algorithm>
#include <thread>

namespace pgeist::test {

void wait_for(const std::string& what, const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
    constexpr auto longest_pause = std::chrono::milliseconds(30);  // what is asked costs the server work
    auto pause = std::chrono::milliseconds(2);
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            throw wait_failed("waited " + std::to_string(deadline.count()) + " ms in vain for: " + what);
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, longest_pause);
    }
}

}  // namespace pgeist::test
