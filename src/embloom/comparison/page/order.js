"use strict";
// The page from top to bottom: of one run the map comes first, of several what differs and the scores.

colorRuns("");
versionsSections();
if (data.rows.length === 1) data.groups.forEach(mapsSection);
numbersTable();
keptSection();
bestSection();
importanceSection();
parallelSection();
if (data.rows.length > 1) data.groups.forEach(mapsSection);
data.groups.forEach(changesSection);
data.groups.forEach(similaritySection);
curvesSection();
notesSection();
runColorChoice();
