#include "others_meanwhile.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"

namespace pgeist::rewrite {

namespace {

/// How catalog::definition() begins the name of an object, and catalog::name_part() that of its part. What hangs on the
/// table from elsewhere is led over, whoever made it.
struct kind_of_object {
    std::string_view object;
    std::string_view part;
    bool named = true;
};
constexpr std::array kinds{kind_of_object{"index ", "index "},
                           kind_of_object{"column ", "column "},
                           kind_of_object{"rights on column ", "the rights on column "},
                           kind_of_object{"constraint ", "constraint "},
                           kind_of_object{"foreign key ", "constraint "},
                           kind_of_object{"policy ", "policy "},
                           kind_of_object{"trigger ", "trigger "},
                           kind_of_object{"rule ", "rule "},
                           kind_of_object{"statistics ", "statistics "},
                           kind_of_object{"owner", "the table's own properties", false},
                           kind_of_object{"storage parameter", "the table's own properties", false},
                           kind_of_object{"TOAST storage parameter", "the table's own properties", false},
                           kind_of_object{"replica identity", "the table's own properties", false},
                           kind_of_object{"row security", "the table's own properties", false},
                           kind_of_object{"security label", "a security label", false}};

/// The name at the beginning of `text`, in double quotes or up to where the object's name ends, or says whose it is.
std::string leading_name(const std::string& text) {
    if (text.empty() || text.front() != '"') {
        return text.substr(0, text.find_first_of(": "));
    }
    std::size_t at = 1;
    while (at < text.size() && (text[at] != '"' || (at + 1 < text.size() && text[at + 1] == '"'))) {
        at += text[at] == '"' ? 2 : 1;
    }
    return text.substr(0, at + 1);
}

/// `line`: of catalog::definition_in_swap(), `object: text`. Empty: it is nobody's business here.
std::string part_of(const std::string& line) {
    for (const kind_of_object& each : kinds) {
        if (line.rfind(each.object, 0) == 0) {
            return std::string(each.part) + (each.named ? leading_name(line.substr(each.object.size())) : "");
        }
    }
    return "";
}

/// On one side only, or not the same on both.
std::vector<std::string> lines_that_differ(const std::vector<std::string>& planned,
                                           const std::vector<std::string>& found) {
    std::vector<std::string> lines;
    std::set_symmetric_difference(planned.begin(), planned.end(), found.begin(), found.end(),
                                  std::back_inserter(lines));
    return lines;
}

std::set<std::string> parts_of(const std::vector<std::string>& lines) {
    std::set<std::string> names;
    for (const std::string& line : lines) {
        std::string name = part_of(line);
        if (!name.empty()) {
            names.insert(std::move(name));
        }
    }
    return names;
}

bool is_column(const std::string& name, const std::set<std::string>& theirs) {
    return theirs.count("column " + display_identifier(name)) > 0;
}

/// What they have made of the columns does not count: those that are gone, or are others now, end the way back.
void restore_columns(const plan::blueprint& swapped, const std::set<std::string>& theirs, plan::revert_plan& back) {
    for (const plan::column& each : swapped.columns) {
        if (is_column(each.name, theirs)) {
            std::erase_if(back.in_use, [&](const auto& column) { return column.first == each.name; });
            back.in_use.emplace_back(each.name, each.type);
        }
    }
}

}  // namespace

awaitable<void> leave_out_what_others_did(pg::connection& session, const plan::blueprint& swapped,
                                          plan::revert_plan& back) {
    if (swapped.expected.empty()) {
        co_return;
    }
    catalog::table now = co_await catalog::read_definition(session, back.back.read.oid);
    const auto lines = lines_that_differ(swapped.expected, catalog::definition_in_swap(now));
    const bool comments = std::any_of(lines.begin(), lines.end(),
                                      [](const std::string& line) { return line.rfind("comment on ", 0) == 0; });
    if (comments) {
        back.comments.clear();  // all that are there go with the table
    }
    std::set<std::string> theirs = parts_of(lines);
    if (theirs.empty()) {
        co_return;
    }
    for (const auto& column : now.columns) {
        if (is_column(column.name, theirs)) {
            theirs.insert("the default of column number " + display_identifier(std::to_string(column.attnum)));
        }
    }
    std::erase_if(back.back.fingerprint_parts, [&](const std::string& part) {
        return theirs.count(part.substr(0, part.rfind(catalog::part_separator))) > 0;
    });
    restore_columns(swapped, theirs, back);
    back.back.fingerprint.clear();  // none that the table has had since it is looked at
}

}  // namespace pgeist::rewrite
