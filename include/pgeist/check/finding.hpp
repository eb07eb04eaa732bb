#pragma once

#include <string>
#include <vector>

namespace pgeist::check {

enum class severity { warn, refuse };

/// What a preflight check has to say.
struct finding {
    check::severity severity = check::severity::refuse;
    std::string check;    ///< name of the check: "table_kind"
    std::string message;  ///< what is wrong, with the object's name
    std::string hint;     ///< what to do about it; may be empty
};

/// Whether any of `findings` forbids the run.
[[nodiscard]] bool refuses(const std::vector<finding>& findings);

}  // namespace pgeist::check
