#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

namespace pgeist::test {

/// A condition did not come true in time; the message says which.
class wait_failed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Asks `condition` again and again until it is true. For states of the database or of a process that nothing
/// announces; a test never sleeps for a time it hopes is long enough. Throws wait_failed, naming `what`.
void wait_for(const std::string& what, const std::function<bool()>& condition,
              std::chrono::milliseconds deadline = std::chrono::seconds(30));

}  // namespace pgeist::test
