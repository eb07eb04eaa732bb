#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"
#include "tree.hpp"

/// The parts of understand(). Each reader returns false when the node is none of its kinds.
namespace pgeist::ddl::parse {

[[nodiscard]] bool alter(statement& into, std::string_view kind, const tree::json::object& node);
[[nodiscard]] bool create(statement& into, std::string_view kind, const tree::json::object& node);
[[nodiscard]] bool maintain(statement& into, std::string_view kind, const tree::json::object& node);
[[nodiscard]] bool query(statement& into, std::string_view kind, const tree::json::object& node);
[[nodiscard]] bool session(statement& into, std::string_view kind, const tree::json::object& node);

/// Reads the node of any statement. False when no reader knows it.
bool any(statement& into, const tree::json::value& node);

[[nodiscard]] object_kind object_of(const std::string& written);

/// The texts of the clauses of an ALTER statement: what stands behind the name, cut at the commas outside of
/// parentheses. Empty when it is no ALTER of a relation.
struct alter_parts {
    std::string head;  ///< `ALTER TABLE ONLY s.t`
    std::vector<std::string> clauses;
    qualified_name relation;
    bool if_exists = false;
    bool only = false;
};
[[nodiscard]] std::optional<alter_parts> cut_alter(const std::string& text);

/// `text` with what is newer than the parser written in the parser's words, and what that stood for.
struct rewritten {
    enum class meaning { not_enforced, enforced, is_virtual, other };
    struct flag {
        std::size_t at = 0;  ///< in the new text
        meaning what = meaning::other;
    };
    std::string text;
    std::vector<flag> flags;
    int since = 0;  ///< 0: nothing newer was found
};
[[nodiscard]] rewritten rewrite_newer(const std::string& text);
/// Gives the constraints in the tree what the flags say, by their places.
void apply(const rewritten& from, tree::json::value& node);

/// Understands by its words what the parser rejects. False when that is not possible.
bool by_words(statement& into, const std::string& text);

/// Of a query that the parser rejects: which tables it, or its WITH, changes, as far as the words tell.
void writes_by_words(statement& into, const std::string& text);

/// Looks into the body of a DO block as far as literals go.
void procedural(statement& into, const std::string& body);

}  // namespace pgeist::ddl::parse
