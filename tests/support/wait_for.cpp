#include "support/wait_for.hpp"

#include <thread>

namespace pgeist::test {

void wait_for(const std::string& what, const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
    constexpr auto pause = std::chrono::milliseconds(5);  // shorter only costs the server work
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            throw wait_failed("waited " + std::to_string(deadline.count()) + " ms in vain for: " + what);
        }
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace pgeist::test
