#include "pgeist/plan/as_options.hpp"

namespace pgeist::plan {

std::string in_shell(const std::string& text) {
    if (text.find_first_of("\"$`\\!") == std::string::npos) {
        return '"' + text + '"';
    }
    std::string quoted = "'";
    for (const char each : text) {
        quoted += each == '\'' ? std::string("'\\''") : std::string(1, each);
    }
    return quoted + "'";
}

std::string as_options(const change_request& change) {
    const std::string table = change.table.display();
    std::string text = "--table " + (table.find_first_of("\"$`\\! '") == std::string::npos ? table : in_shell(table));
    for (const std::string& each : change.alters) {
        text += " --alter " + in_shell(each);
    }
    for (const std::string& each : change.sets) {
        text += " --set " + in_shell(each);
    }
    if (change.key_index) {
        text += " --key " + in_shell(*change.key_index);
    }
    return text + (change.repack ? " --repack" : "");
}

}  // namespace pgeist::plan
