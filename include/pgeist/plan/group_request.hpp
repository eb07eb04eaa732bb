#pragma once

#include <string>
#include <vector>

#include "pgeist/plan/change_request.hpp"

namespace pgeist::plan {

/// One table of a group.
struct group_member {
    change_request change;
    std::string
        because;  ///< what leads to it, for the user: "asked for", or the foreign key that refers to another member
};

/// Several tables that are changed side by side and exchanged in one transaction, or not at all. The job of the first
/// one leads.
struct group_request {
    std::vector<group_member> members;
};

}  // namespace pgeist::plan
