#pragma once

#include <string>

#include "support/test_database.hpp"

namespace pgeist::test {

/// Holds the server at a chosen row: an SQL function that hands its value through, but waits on an advisory lock while
/// the gate is closed. Standing in a USING or --set expression it stops the copy, the replay or the verification at
/// that row; in an index expression it stops the index build. So tests step through a run without one sleep.
class gate {
public:
    /// Installs the function; the gate is open. `number` tells several gates of one database apart.
    gate(test_database& database, int number);

    /// The SQL expression that gives `value`, and waits where `condition` is true while the gate is closed.
    [[nodiscard]] std::string expression(const std::string& condition, const std::string& value) const;

    /// Closes it; waits until nobody is passing.
    void close();

    /// Opens it: whoever waits goes on.
    void open();

    /// Waits until somebody stands before the closed gate. Throws wait_failed.
    void wait_until_reached();

    /// How many sessions stand before the closed gate.
    long long waiting();

    /// First key of the advisory locks used, to tell them from the product's.
    static constexpr int lock_class = 7001;

private:
    sync_connection connection_;
    int number_;
};

}  // namespace pgeist::test
