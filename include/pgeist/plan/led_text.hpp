#pragma once

#include <string>
#include <vector>

namespace pgeist::plan {

/// The text of an object elsewhere (a view, a function …) that a swap has led from one table to the other: read again
/// for the other table's types it may have got casts that would not go away on the way back. So it goes back by this.
struct led_text {
    std::string object;                ///< as pg_describe_object() prints it
    std::string text;                  ///< its definition at the table that waits, with the table's name bare
    std::vector<std::string> schemas;  ///< of the operators in it, for the search_path
    std::string asked;                 ///< SQL for its definition now, wherever it has been led
    std::string since;                 ///< what that gave after the swap: another text is another's work, and goes on
};

}  // namespace pgeist::plan
