#pragma once

#include <functional>
#include <map>
#include <string>

#include "pgeist/tasks/expand/spec.hpp"

// The expressions of the trigger's function are written over placeholders, since the old columns change their names for
// a while. What they call is found by names: either the function has a search_path of its own, which costs each call
// more than all the rest of it, or they are bound.
namespace pgeist::expand {

/// What a column of the expressions is called now.
using names = std::function<std::string(const std::string& column)>;

/// The names of now, by `spec::trial`.
[[nodiscard]] names names_of(const spec& of);

/// How an expression of the spec names a column.
[[nodiscard]] std::string placeholder(const std::string& column);
/// The same of one row: `NEW`, `OLD`.
[[nodiscard]] std::string row_placeholder(const std::string& row, const std::string& column);

/// An expression of the spec over the placeholders of another row.
[[nodiscard]] std::string of_row(const std::string& row, const spec& of, std::string expression);

/// An expression of the spec, with these names and over bare columns.
[[nodiscard]] std::string in_names(std::string expression, const spec& of, const names& now);

/// With `spec::bound`: each expression is a function of the job's schema, whose body is stored as a tree, with
/// operators and functions by OID. Its call is found by its qualified name and the columns' very types, so that the
/// search_path of who writes has no say; and the planner puts the body in the call's place. Without: the expressions
/// themselves.
class bound_expressions {
public:
    explicit bound_expressions(const spec& of) : of_(&of), now_(names_of(of)) {}

    /// @param name the function's, of this spec @param text over placeholders
    [[nodiscard]] std::string condition(const std::string& name, const std::string& text);
    /// What is to be assigned to a column of `type`.
    [[nodiscard]] std::string value(const std::string& name, const std::string& text, const std::string& type);
    /// The names of now in the placeholders' place.
    [[nodiscard]] std::string in_names(std::string text) const;

    /// CREATE and GRANT for all functions that are called until now.
    [[nodiscard]] std::string functions() const;

private:
    [[nodiscard]] std::string call(const std::string& name, std::string text, const std::string& returns);

    const spec* of_;
    names now_;
    std::map<std::string, std::string> functions_;
};

}  // namespace pgeist::expand
