// The diagram for screen readers: one child per host and per path, with the words of the text report.
#pragma once

namespace natlens::gui {

/// Lets Qt make the accessible object of every DiagramWidget. Call once, before the first window; more calls do
/// nothing.
void installDiagramAccessibility();

} // namespace natlens::gui
