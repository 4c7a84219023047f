"""The live lab's front: a control panel of widgets, and Bokeh figures that stream into it."""
