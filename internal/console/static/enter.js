"use strict";
document.getElementById("enter").submit();
